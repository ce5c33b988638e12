"""What a rule returns, and the parts that the rules share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scionwood_federated.rules.low_rank import Pair, others, pair_names, pairs, scale_of
from scionwood_federated.update.record import Update


@dataclass(frozen=True)
class Pooled:
    """One adapter made of many.

    Attributes:
        adapter: the tensors by the names of peft's file.
        head: the tensors of the head.
        lost: the mean share of the energy that the rank could not hold; 0 for an exact rule.
        sites: the names of the sites whose updates were used.

    Example:
        >>> from scionwood_federated import Pooled
        >>> Pooled({}, {}, lost=0.0, sites=("north", "south")).sites
        ('north', 'south')
    """

    adapter: Mapping[str, Tensor]
    head: Mapping[str, Tensor]
    lost: float
    sites: tuple[str, ...]


Combine = Callable[[Sequence[Tensor], Sequence[float]], Tensor]


def mean(values: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Return the weighted mean in float64; whole numbers are rounded to whole numbers."""
    total = sum(w * value.double() for value, w in zip(values, weights, strict=True))
    return of_kind(torch.as_tensor(total), values[0].dtype)


def of_kind(values: Tensor, kind: torch.dtype) -> Tensor:
    """Return numbers in the kind of a tensor; whole numbers are rounded.

    Args:
        values: floating numbers.
        kind: that of the tensor whose place they take.
    """
    # Counters of a head, such as those of batch norm, are whole numbers; `to` alone would cut.
    return (values if kind.is_floating_point else values.round()).to(kind)


def combined(
    parts: Sequence[Mapping[str, Tensor]], weights: Sequence[float], combine: Combine
) -> dict[str, Tensor]:
    """Apply a rule to every tensor by its name."""
    return {name: combine([part[name] for part in parts], weights) for name in parts[0]}


def other_tensors(
    updates: Sequence[Update], weights: Sequence[float], combine: Combine = mean
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the tensors that are no factor, and the head."""
    plain = combined([others(update) for update in updates], weights, combine)
    return plain, combined([update.head for update in updates], weights, combine)


def place(
    like: Update, results: Mapping[str, Pair], plain: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return factors as tensors with the names, shapes and kinds of an update.

    Args:
        like: gives names, kinds and the shapes behind the rank.
        results: the factors by the names of the modules.
        plain: the tensors that are no factor.
    """
    out = dict(plain)
    for module, (a, b) in pair_names(like.adapter).items():
        first, second, pair = like.adapter[a], like.adapter[b], results[module]
        out[a] = pair.a.reshape(pair.rank, *first.shape[1:]).to(first.dtype).contiguous()
        out[b] = pair.b.reshape(-1, pair.rank, *second.shape[2:]).to(second.dtype).contiguous()
    return {name: out[name] for name in like.adapter}


def size_of(like: Update, module: str) -> tuple[int, float]:
    """Return the rank and the scale that a result takes in a module."""
    a, _ = pair_names(like.adapter)[module]
    rank = len(like.adapter[a])
    return rank, scale_of(like.config, module, rank)


def stacks(updates: Sequence[Update]) -> dict[str, list[Pair]]:
    """Return the factors of all updates by the names of the modules."""
    factors = [pairs(update) for update in updates]
    return {module: [one[module] for one in factors] for module in factors[0]}


def sites(updates: Sequence[Update]) -> tuple[str, ...]:
    """Return the names of the sites."""
    return tuple(update.about.site for update in updates)
