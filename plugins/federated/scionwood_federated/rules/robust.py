"""Rules that a few bad sites cannot move far. Each needs the updates one by one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from scionwood_federated.rules.low_rank import dense, split
from scionwood_federated.rules.pooled import (
    Combine,
    Pooled,
    of_kind,
    other_tensors,
    place,
    sites,
    size_of,
    stacks,
)
from scionwood_federated.update.record import FederationError, Update

Updates = Sequence[Update]
Weights = Sequence[float]


def median(updates: Updates, weights: Weights, like: Update) -> Pooled:
    """Take the median of each entry of the changes of the weights; sample counts do not matter."""
    return _entrywise(updates, weights, like, _median)


def trimmed(updates: Updates, weights: Weights, like: Update, *, share: float = 0.2) -> Pooled:
    """Take the mean of each entry without the smallest and the largest values.

    Args:
        updates: the updates.
        weights: not used: a site may not buy influence with a number of samples.
        like: gives the rank and the scale of the result.
        share: the share of the sites to leave out at each end, below 0.5.

    Raises:
        FederationError: the share is not in [0, 0.5).
    """
    if not 0 <= share < 0.5:
        raise FederationError(f"share {share}", "it must be from 0 to below 0.5", "Choose 0.2")
    return _entrywise(updates, weights, like, partial(_trimmed, share=share))


def _entrywise(updates: Updates, weights: Weights, like: Update, combine: Combine) -> Pooled:
    results, lost = {}, []
    for module, parts in stacks(updates).items():
        change = combine([dense(part) for part in parts], weights)
        results[module], energy = split(change, *size_of(like, module))
        lost.append(energy)
    plain, head = other_tensors(updates, weights, combine)
    share = sum(lost) / len(lost) if lost else 0.0
    return Pooled(place(like, results, plain), head, share, sites(updates))


def _median(values: Sequence[Tensor], weights: Weights) -> Tensor:
    stack = torch.stack([value.double() for value in values])
    return of_kind(stack.quantile(0.5, dim=0), values[0].dtype)


def _trimmed(values: Sequence[Tensor], weights: Weights, *, share: float) -> Tensor:
    stack = torch.stack([value.double() for value in values]).sort(0).values
    cut = int(share * len(values))
    return of_kind(stack[cut : len(values) - cut].mean(0), values[0].dtype)
