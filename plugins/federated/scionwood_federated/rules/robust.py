"""Rules that a few bad sites cannot move far. Each needs the updates one by one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from scionwood_federated.rules.averages import exact
from scionwood_federated.rules.low_rank import dense, inner, others, pairs, split, stacked
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


def krum(updates: Updates, weights: Weights, like: Update, *, bad: int = 1) -> Pooled:
    """Take the update with the smallest distance to its nearest others.

    Args:
        updates: at least `bad` + 3 updates.
        weights: not used.
        like: gives the rank and the scale of the result.
        bad: the number of bad sites to stand.

    Source: Blanchard et al., NeurIPS 2017, section 4.

    Raises:
        FederationError: there are too few sites.
    """
    count = len(updates)
    if bad < 0 or count < bad + 3:
        rule = f"krum needs at least {max(bad, 0) + 3} sites to stand {bad} bad ones"
        raise FederationError(f"{count} sites", rule, "Use the rule median, or a smaller `bad`")
    gram = _gram(updates)
    norms = gram.diagonal()
    # |a - b|^2 = |a|^2 + |b|^2 - 2 <a, b>; rounding can make it slightly negative.
    distances = (norms[:, None] + norms[None] - 2 * gram).clamp(min=0)
    # The n - f - 2 nearest others; the first of the row is the site itself, at distance 0.
    nearest = distances.sort(1).values[:, 1 : count - bad - 1]
    chosen = updates[int(nearest.sum(1).argmin())]
    return exact([chosen], [1.0], like)


def _entrywise(updates: Updates, weights: Weights, like: Update, combine: Combine) -> Pooled:
    results, lost = {}, []
    for module, parts in stacks(updates).items():
        change = combine([dense(part) for part in parts], weights)
        results[module], energy = split(change, *size_of(like, module))
        lost.append(energy)
    plain, head = other_tensors(updates, weights, combine)
    share = sum(lost) / len(lost) if lost else 0.0
    return Pooled(place(like, results, plain), head, share, sites(updates))


def _gram(updates: Updates) -> Tensor:
    """Return the inner products of all that the sites send; products from their factors."""
    factors = [{name: stacked([pair], [1.0]) for name, pair in pairs(u).items()} for u in updates]
    rows = [[sum(inner(one[n], other[n]) for n in one) for other in factors] for one in factors]
    plain = torch.stack([_flat(update) for update in updates])
    return torch.tensor(rows, dtype=torch.float64) + plain @ plain.T


def _flat(update: Update) -> Tensor:
    """Return the numbers of an update that are no factor of a product."""
    tensors = [*others(update).values(), *update.head.values()]
    numbers = [value.flatten().double() for value in tensors if value.is_floating_point()]
    return torch.cat(numbers or [torch.zeros(1, dtype=torch.float64)])


def _median(values: Sequence[Tensor], weights: Weights) -> Tensor:
    stack = torch.stack([value.double() for value in values])
    return of_kind(stack.quantile(0.5, dim=0), values[0].dtype)


def _trimmed(values: Sequence[Tensor], weights: Weights, *, share: float) -> Tensor:
    stack = torch.stack([value.double() for value in values]).sort(0).values
    cut = int(share * len(values))
    return of_kind(stack[cut : len(values) - cut].mean(0), values[0].dtype)
