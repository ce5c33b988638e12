"""Weighted means: exact, of one factor, and of both factors as a baseline."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from scionwood_federated.rules.low_rank import Pair, compressed, stacked
from scionwood_federated.rules.pooled import (
    Pooled,
    mean,
    other_tensors,
    place,
    sites,
    size_of,
    stacks,
)
from scionwood_federated.update.record import FederationError, Update

Updates = Sequence[Update]
Weights = Sequence[float]


class FactorMeanWarning(UserWarning):
    """The mean of A times the mean of B is not the mean of B A.

    Example:
        >>> from scionwood_federated import FactorMeanWarning
        >>> issubclass(FactorMeanWarning, UserWarning)
        True
    """


def exact(updates: Updates, weights: Weights, like: Update) -> Pooled:
    """Stack the factors, which is the exact mean of the changes, and keep the best of the rank.

    Args:
        updates: the updates; their ranks may differ.
        weights: their weights, which sum to one.
        like: gives the rank and the scale of the result.

    Source: the stack is FLoRA (arXiv 2409.05976), the SVD is FlexLoRA (arXiv 2402.11505).

    Example:
        >>> from scionwood_federated import exact, update_of
        >>> update = update_of("seismic/denoise", samples=1)
        >>> exact([update] * 2, [0.5, 0.5], update).lost < 1e-9
        True
    """
    results, lost = {}, []
    for module, parts in stacks(updates).items():
        rank, scale = size_of(like, module)
        results[module], energy = compressed(*stacked(parts, weights), rank, scale)
        lost.append(energy)
    plain, head = other_tensors(updates, weights)
    share = sum(lost) / len(lost) if lost else 0.0
    return Pooled(place(like, results, plain), head, share, sites(updates))


def factors(updates: Updates, weights: Weights, like: Update) -> Pooled:
    """Average A and B apart. This is a baseline: it is not the mean of the changes.

    Warns:
        FactorMeanWarning: always.
    """
    text = "the mean of A times the mean of B is not the mean of B A. Use the rule exact"
    warnings.warn(text, FactorMeanWarning, stacklevel=2)
    return _by_factor(updates, weights, like)


def frozen_a(updates: Updates, weights: Weights, like: Update) -> Pooled:
    """Average B where A is the same at all sites. It is exact, and needs sums only.

    Source: FFA-LoRA (arXiv 2403.12313).

    Raises:
        FederationError: A differs between two sites.
    """
    for module, parts in stacks(updates).items():
        _equal(updates, [part.a for part in parts], f"A of {module}")
    return _by_factor(updates, weights, like)


def _by_factor(updates: Updates, weights: Weights, like: Update) -> Pooled:
    results = {}
    for module, parts in stacks(updates).items():
        if len({part.rank for part in parts}) > 1 or len({part.scale for part in parts}) > 1:
            rule = "this rule averages factors, and the sites have other ranks or scales"
            raise FederationError(module, rule, "Use the rule exact")
        a, b = (
            _average(values, weights) for values in zip(*((p.a, p.b) for p in parts), strict=True)
        )
        results[module] = Pair(a, b, parts[0].scale)
    plain, head = other_tensors(updates, weights)
    return Pooled(place(like, results, plain), head, 0.0, sites(updates))


def _average(values: Sequence[Tensor], weights: Weights) -> Tensor:
    # A held factor must come back bit for bit, and a mean of equal values may round.
    return values[0] if _same(values) else mean(values, weights)


def _same(values: Sequence[Tensor]) -> bool:
    return all(torch.equal(values[0], value) for value in values[1:])


def _equal(updates: Updates, values: Sequence[Tensor], what: str) -> None:
    for update, value in zip(updates[1:], values[1:], strict=True):
        if not torch.equal(values[0], value):
            both = f"{updates[0].about.site} and {update.about.site}"
            rule = f"it differs between the sites {both}, so the mean would not be exact"
            remedy = "Let the sites train with --hold A, or use the rule exact"
            raise FederationError(what, rule, remedy)
