"""The direction of a change of weights, beside the mean change of references.

Adapters of one recipe change the weights in much the same direction, which is that of the task. An
adapter that also learned something else turns away from it. The products are computed from the
factors B and A of each module, so that no change is ever built as a whole. The idea is ours; the
limit was chosen on adapters of other seeds than those that judge it (docs/results/audit.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

Factors = tuple[tuple[Tensor, Tensor], ...]
"""B (out, rank) and A (rank, in) of each module, in a fixed order."""


def product(one: Factors, two: Factors) -> float:
    """Return the inner product of two changes, the sum over all entries of both.

    Args:
        one: the factors of a change.
        two: those of another, of the same modules.

    Example:
        >>> import torch
        >>> from scionwood_audit.direction import product
        >>> factors = ((torch.ones(3, 1), torch.ones(1, 2)),)
        >>> product(factors, factors)
        6.0
    """
    pairs = zip(one, two, strict=True)
    return float(sum(((b.T @ d) * (a @ c.T)).sum() for (b, a), (d, c) in pairs))


def products(changes: Sequence[Factors]) -> np.ndarray:
    """Return the inner products of all pairs, (change, change).

    Args:
        changes: the factors of each change.
    """
    table = np.empty((len(changes), len(changes)))
    for row, one in enumerate(changes):
        for column, two in enumerate(changes[: row + 1]):
            table[row, column] = table[column, row] = product(one, two)
    return table


def turns(table: np.ndarray) -> np.ndarray:
    """Return how far each change turns from the mean of the others, (change,).

    Args:
        table: the inner products of all pairs.
    """
    count = len(table)
    distances = np.empty(count)
    for at in range(count):
        others = np.delete(np.arange(count), at)
        distances[at] = turn(table[at, at], table[at, others], table[np.ix_(others, others)])
    return distances


def turn(square_norm: float, to_references: np.ndarray, among: np.ndarray) -> float:
    """Return one minus the cosine of the angle between a change and the mean of references.

    Args:
        square_norm: the inner product of the change with itself.
        to_references: those with each reference.
        among: those of all pairs of references.

    Returns:
        From 0 for the same direction to 2 for the opposite one; 1 if either change is zero.
    """
    length = float(np.sqrt(square_norm * among.mean()))
    return 1.0 - float(to_references.mean()) / length if length > 0 else 1.0
