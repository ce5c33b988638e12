"""Give a deployed model an example of another size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from scionwood.training.deployed import Deployed, ExportError


def resized(deployed: Deployed, shape: Sequence[int]) -> Deployed:
    """Return the same model with an example of another size.

    Args:
        deployed: a model with one input of numbers.
        shape: the lengths of the input's axes after the batch.

    Raises:
        ExportError: the model has several inputs, or the number of axes or a length is wrong.
    """
    old, inputs = deployed.example[0], deployed.inputs
    if len(deployed.example) != 1 or not old.is_floating_point():
        names = ", ".join(signal.name for signal in inputs) or f"{len(deployed.example)}"
        rule = f"a shape is for a model with one input of numbers, and this one has {names}"
        raise ExportError(f"shape {_written(shape)}", rule, "Leave --shape out")
    axes = inputs[0].axes[1:] if inputs else ("axis",) * (old.ndim - 1)
    if len(shape) != len(axes) or min(shape, default=1) < 1:
        rule, remedy = f"it gives the lengths of {' x '.join(axes)}", _written(old.shape[1:])
        raise ExportError(f"shape {_written(shape)}", rule, f"Such as {remedy}")
    for axis, length in zip(axes, shape, strict=True):
        if length % (multiple := deployed.multiples.get(axis, 1)):
            rule = f"the length of {axis} is a multiple of {multiple}"
            remedy = f"Round it up; the caller pads: {deployed.padding}"
            raise ExportError(f"shape {_written(shape)}", rule, remedy)
    generator = torch.Generator().manual_seed(0)
    new = torch.randn(len(old), *shape, generator=generator).to(old.dtype)
    return replace(deployed, example=(new,), shape=None)


def _written(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
