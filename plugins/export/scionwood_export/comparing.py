"""Run a model and compare its outputs with those of another form of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from scionwood.training.deployed import ExportError


def outputs_of(function: Callable[..., Any], example: Sequence[Tensor]) -> list[Tensor]:
    """Return the output tensors of a model for an input, without gradients.

    Raises:
        ExportError: the model returns something else than a tensor or a tuple of tensors.
    """
    with torch.no_grad():
        result = function(*(x.clone() for x in example))
    outputs = list(result) if isinstance(result, tuple | list) else [result]
    if not outputs or not all(isinstance(tensor, Tensor) for tensor in outputs):
        rule = f"it returns {type(result).__name__}, not a tensor or a tuple of tensors"
        raise ExportError("deployed model", rule, "Override deploy() of the task with a wrapper")
    return [tensor.detach().clone() for tensor in outputs]


def largest_gap(expected: Sequence[Tensor], actual: Sequence[Tensor]) -> float:
    """Return the largest difference, relative to the largest value of the expected tensor.

    It is infinite if shapes differ or a difference is not a number.

    Args:
        expected: the tensors to compare with.
        actual: as many tensors of the same shapes.
    """
    if [x.shape for x in expected] != [x.shape for x in actual]:
        return float("inf")
    gaps = [0.0]
    for left, right in zip(expected, actual, strict=True):
        if left.numel():
            wide = left.double()
            gap = (wide - right.double()).abs().max() / wide.abs().max().clamp_min(1e-12)
            gaps.append(float(gap.nan_to_num(nan=float("inf"))))
    return max(gaps)
