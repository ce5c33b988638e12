"""Small operations on tensors that the checks share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

import torch
from torch import nn


def leaves(tree: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in nested mappings and sequences, in order."""
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        for key in tree:
            yield from leaves(tree[key])
    elif isinstance(tree, Iterable) and not isinstance(tree, str | bytes):
        for item in tree:
            yield from leaves(item)


def output(model: nn.Module, example: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """Return the output tensors of a model in evaluation mode, without gradients."""
    training = model.training
    model.eval()
    with torch.no_grad():
        tensors = [leaf.detach().clone() for leaf in leaves(model(*example))]
    model.train(training)
    return tensors


def difference(left: list[torch.Tensor], right: list[torch.Tensor]) -> float:
    """Return the largest difference, relative to the largest value of the left tensor.

    It is infinite if shapes differ or a difference is NaN.

    Shapes: two lists of tensors of equal length and shapes.
    """
    if [x.shape for x in left] != [x.shape for x in right]:
        return float("inf")
    worst = 0.0
    for a, b in zip(left, right, strict=True):
        if not a.numel():
            continue
        wide = torch.complex128 if a.is_complex() else torch.float64
        a, b = a.to(wide), b.to(wide)
        gap = float((a - b).abs().max() / a.abs().max().clamp_min(1e-12))
        worst = max(worst, gap if gap == gap else float("inf"))
    return worst


def digest(tree: Any) -> str:
    """Return a hash of all tensors of a nested structure: their shapes, types and bits."""
    hasher = sha256()
    for leaf in leaves(tree):
        array = leaf.detach().cpu().contiguous()
        hasher.update(f"{tuple(array.shape)} {array.dtype}".encode())
        hasher.update(array.reshape(-1).view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()
