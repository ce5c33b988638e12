"""Choose how a LoRA convolution is computed; `python -m scionwood.kernels tune` measures the forms.

`separate` runs A and B as convolutions of their own. `merged` forms W' = W + s B A and has a
backward pass of low rank. `whole` takes the gradient of W' and projects it on A and B.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, cast, final

import torch
from torch import Tensor

from scionwood.kernels.cards import FILE, NEAR, card, nearest, table

Form = Literal["separate", "merged", "whole"]
FORMS: tuple[Form, ...] = ("merged", "whole", "separate")
MERGED = (torch.float32, torch.float64)
"""The dtypes in which W' is formed. In half precision, W + s B A would lose a small change."""


@final
class ConvShape(NamedTuple):
    """A convolution with an adapter."""

    out: int
    inputs: int
    kernel: tuple[int, ...]
    rank: int
    voxels: int
    """Of the input, of all images of the batch."""
    tf32: bool = False
    """Whether float32 operands are rounded to TF32."""


def form(weight: Tensor, x: Tensor, rank: int, groups: int, dtype: torch.dtype) -> Form:
    """Return the form of a layer: measured on the card or on a near one, or by rule.

    Args:
        weight: (out, inputs / groups, *kernel).
        x: (batch, inputs, *size).
        rank: The number of channels between A and B.
        groups: The groups of the base convolution.
        dtype: The dtype of the computation.
    """
    if groups > 1 or dtype not in MERGED:
        return "separate"
    out, inputs, *kernel = weight.shape
    if x.device.type == "cuda" and not torch.compiler.is_compiling():
        voxels, tf32 = x.numel() // inputs, cudnn_rounds(dtype)
        shape = ConvShape(out, inputs, tuple(kernel), rank, voxels, tf32)
        return measured(shape, x.get_device()) or "merged"
    # The convolutions of a CPU compute 16 channels at least, and two of them are needed. They were
    # measured at a third of the speed of wide ones.
    return "whole" if x.device.type == "cpu" and out <= 6 * max(rank, 16) else "merged"


def cudnn_rounds(dtype: torch.dtype) -> bool:
    """Return whether cuDNN may round float32 operands to TF32, which torch allows by default."""
    conv = getattr(torch.backends.cudnn, "conv", None)  # since torch 2.9
    if dtype is not torch.float32:
        return False
    return bool(torch.backends.cudnn.allow_tf32) if conv is None else conv.fp32_precision == "tf32"


@lru_cache(maxsize=4096)
def measured(shape: ConvShape, index: int = 0, file: Path = FILE) -> Form | None:
    """Return the fastest form in the table for a layer on a card or on a near one, or `None`.

    The layer must be the same, except that the voxels may differ by the factor `cards.NEAR`.
    """
    reference = nearest(card(index), table(file)["cards"])
    fits = [
        entry
        for entry in (reference or {}).get("convs", ())
        if all(entry[name] == value for name, value in key(shape).items())
        and max(entry["voxels"], shape.voxels) <= NEAR * min(entry["voxels"], shape.voxels)
    ]
    if not fits:
        return None
    best = min(fits, key=lambda entry: abs(entry["voxels"] - shape.voxels))
    return cast(Form, best["form"])


def key(shape: ConvShape) -> dict[str, object]:
    """Return what an entry of the table has in common with a layer, except the voxels."""
    about = {"out": shape.out, "inputs": shape.inputs, "kernel": list(shape.kernel)}
    return {**about, "rank": shape.rank, "tf32": shape.tf32}
