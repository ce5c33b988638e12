"""Records of the pretrained weights for partial differential equations."""

from __future__ import annotations

from scionwood.authoring import Base

PARTS = ("encoder", "decoder")


def _tadpole(size: str, parameters: int) -> Base:
    options = {"weights": "base:", "size": size}
    return Base(
        title=f"Tadpole of size {size}: encoder and decoder of fields in three dimensions",
        field="partial differential equations",
        trained_on="simulations of many equations on periodic cubes, made by its authors",
        seen="no, where your equation is none of theirs; see arXiv:2605.15284",
        parameters=parameters,
        licence="Apache-2.0",
        commercial="yes",
        hub="thuerey-group/Tadpole@main",
        files={f"tadpole_{size.lower()}_{part}.safetensors": "" for part in PARTS},
        contract="fields (batch, field, x, y, z) of about zero mean and unit variance, sides in "
        "multiples of 16 voxels",
        backbones={
            "pde/tadpole": options,
            "pde/tadpole_dynamics": options,
            "pde/tadpole_flow": options,
        },
    )


BASES = {
    "tadpole-s": _tadpole("S", 8_783_913),
    "tadpole-b": _tadpole("B", 38_068_329),
    "tadpole-l": _tadpole("L", 152_105_169),
}
