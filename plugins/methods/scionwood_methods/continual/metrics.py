"""What a sequence of tasks did to the accuracies: average, backward transfer, forgetting."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Accuracies = Tensor | Sequence[Sequence[float]]


def average_accuracy(accuracies: Accuracies) -> float:
    """The mean accuracy over all T tasks after the last one.

    Args:
        accuracies: (T, T); row i, column j: on task j after training on tasks 0 to i, 0 to 1.
            Entries that a metric does not need may be NaN.

    Returns:
        `1/T sum_j R[T-1, j]`.

    Raises:
        ValueError: the matrix is not square, or an entry that is needed is NaN.

    Source: Lopez-Paz and Ranzato 2017.
    """
    return _finite(_matrix(accuracies)[-1].mean())


def backward_transfer(accuracies: Accuracies) -> float:
    """How learning later tasks changed earlier ones; below zero where they were forgotten.

    Args:
        accuracies: see `average_accuracy`.

    Returns:
        `1/(T-1) sum_(j<T-1) (R[T-1, j] - R[j, j])`.

    Raises:
        ValueError: see `average_accuracy`, or there is one task only.

    Source: Lopez-Paz and Ranzato 2017.
    """
    found = _several(accuracies)
    return _finite((found[-1, :-1] - found.diagonal()[:-1]).mean())


def forgetting(accuracies: Accuracies) -> float:
    """How far the last accuracy on each earlier task is below the best that was reached.

    Args:
        accuracies: see `average_accuracy`; NaN above the diagonal is left out of the best.

    Returns:
        `1/(T-1) sum_(j<T-1) (max_(i<T-1) R[i, j] - R[T-1, j])`.

    Raises:
        ValueError: see `average_accuracy`, or there is one task only.

    Source: Chaudhry et al. 2018.
    """
    found = _several(accuracies)
    earlier = found[:-1, :-1]
    _finite(earlier.tril().sum())
    above = torch.ones_like(earlier).triu(1).bool()
    best = torch.where(above & earlier.isnan(), -torch.inf, earlier).amax(0)
    return _finite((best - found[-1, :-1]).mean())


def _matrix(accuracies: Accuracies) -> Tensor:
    found = torch.as_tensor(accuracies, dtype=torch.float64)
    if found.dim() != 2 or found.shape[0] != found.shape[1] or not found.numel():
        rule = "one row and one column a task, (T, T)"
        raise ValueError(f"accuracies of shape {tuple(found.shape)}: {rule}. Fill up with NaN")
    return found


def _several(accuracies: Accuracies) -> Tensor:
    found = _matrix(accuracies)
    if len(found) < 2:
        raise ValueError("accuracies of one task: nothing came after it. Give two tasks or more")
    return found


def _finite(value: Tensor) -> float:
    if not torch.isfinite(value):
        rule = "the last row, and all on and below the diagonal, must be finite"
        raise ValueError(f"accuracies with {float(value)}: {rule}. Measure every task then")
    return float(value)
