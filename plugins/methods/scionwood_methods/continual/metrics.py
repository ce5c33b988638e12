"""Metrics of a sequence of tasks: average accuracy, backward transfer, forgetting."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Accuracies = Tensor | Sequence[Sequence[float]]


def average_accuracy(accuracies: Accuracies) -> float:
    """Return the mean accuracy over all T tasks after the last one.

    Args:
        accuracies: (T, T); row i and column j hold the accuracy on task j after training on tasks
            0 to i, 0 to 1. Entries that a metric does not need may be NaN.

    Returns:
        `1/T sum_j R[T-1, j]`.

    Raises:
        ValueError: the matrix is not square, or a needed entry is NaN.

    Source: Lopez-Paz and Ranzato 2017.
    """
    return _finite(_matrix(accuracies)[-1].mean())


def backward_transfer(accuracies: Accuracies) -> float:
    """Return how later tasks changed earlier ones; negative values mean forgetting.

    Args:
        accuracies: see `average_accuracy`.

    Returns:
        `1/(T-1) sum_(j<T-1) (R[T-1, j] - R[j, j])`.

    Raises:
        ValueError: see `average_accuracy`; or there is only one task.

    Source: Lopez-Paz and Ranzato 2017.
    """
    matrix = _several(accuracies)
    return _finite((matrix[-1, :-1] - matrix.diagonal()[:-1]).mean())


def forgetting(accuracies: Accuracies) -> float:
    """Return how far the last accuracy on each earlier task is below its best accuracy.

    Args:
        accuracies: see `average_accuracy`; NaN above the diagonal is ignored.

    Returns:
        `1/(T-1) sum_(j<T-1) (max_(i<T-1) R[i, j] - R[T-1, j])`.

    Raises:
        ValueError: see `average_accuracy`; or there is only one task.

    Source: Chaudhry et al. 2018.
    """
    matrix = _several(accuracies)
    earlier = matrix[:-1, :-1]
    _finite(earlier.tril().sum())
    # A sequence may skip the tests on tasks that were not learned yet.
    above = torch.ones_like(earlier).triu(1).bool()
    best = torch.where(above & earlier.isnan(), -torch.inf, earlier).amax(0)
    return _finite((best - matrix[-1, :-1]).mean())


def _matrix(accuracies: Accuracies) -> Tensor:
    matrix = torch.as_tensor(accuracies, dtype=torch.float64)
    if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.numel():
        rule = "there must be one row and one column for each task, (T, T)"
        raise ValueError(f"accuracies of shape {tuple(matrix.shape)}: {rule}. Fill up with NaN")
    return matrix


def _several(accuracies: Accuracies) -> Tensor:
    matrix = _matrix(accuracies)
    if len(matrix) < 2:
        raise ValueError("accuracies of one task: at least two tasks are needed. Add a task")
    return matrix


def _finite(value: Tensor) -> float:
    if not torch.isfinite(value):
        rule = "the last row and all entries on and below the diagonal must be finite"
        raise ValueError(f"accuracies with {float(value)}: {rule}. Measure every task")
    return float(value)
