"""Which site's update is unlike the others: a ranking with evidence, and never a ban.

Equal hashes are the first check, and pooling makes it. The second is the direction of an update:
one minus the median cosine between its change and those of the others. It says little in the first
two rounds, in which all sites move away from zero. A backdoor passes it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from scionwood_federated.rules.low_rank import changed, inner, others, pairs, stacked
from scionwood_federated.update.record import FederationError, Update

FLOOR = 0.05
"""The least spread of the scores, so that nearly equal sites are not told apart by noise."""


class SiteScore(NamedTuple):
    """How unlike the others an update is.

    Attributes:
        site: the name of the site.
        score: one minus the median cosine to the other sites: 0 is the same direction, 1 a right
            angle, 2 the opposite one.
        apart: whether it lies more than four spreads above the median of all sites.

    Example:
        >>> from scionwood_federated import SiteScore
        >>> SiteScore("north", score=0.1, apart=False).site
        'north'
    """

    site: str
    score: float
    apart: bool


def rank_sites(updates: Sequence[Update], start: Update | None) -> list[SiteScore]:
    """Rank the sites of a round, the most unlike first.

    Args:
        updates: at least three updates that fit together.
        start: what the round started from; `None` compares the adapters as they are.

    Raises:
        FederationError: there are fewer than three updates.

    Example:
        >>> from scionwood_federated import rank_sites, update_of
        >>> start = update_of("seismic/denoise", samples=1)
        >>> [each.score for each in rank_sites([start] * 3, start)]
        [0.0, 0.0, 0.0]
    """
    if len(updates) < 3:
        rule = "fewer than three sites cannot be told apart"
        raise FederationError(f"{len(updates)} updates", rule, "Add updates")
    cosines = (_products(updates, start) + _heads(updates, start)).unbind()
    scores = []
    for number, row in enumerate(cosines):
        cosines_to_others = [float(value) for n, value in enumerate(row) if n != number]
        # The median: one bad site does not make all others look unlike.
        scores.append(1 - statistics.median(cosines_to_others))
    return _ranked([update.about.site for update in updates], scores, FLOOR)


def rank_by_losses(losses: Mapping[str, Mapping[str, float]]) -> list[SiteScore]:
    """Rank the sites by what their updates cost the others.

    Where sites hold few classes each, every site dislikes every other, and this is a coin.

    Args:
        losses: by site, the loss of each update on the data of that site, by the update's site.

    Returns:
        The sites by the median over the others of how much worse their update is than the median
        update at the same site; the score is a share, 0.1 for 10 %.

    Raises:
        FederationError: fewer than three sites answered, or they answered about other updates.

    Example:
        >>> from scionwood_federated import rank_by_losses
        >>> losses = {site: {"a": 1.0, "b": 1.0, "c": 3.0} for site in "abc"}
        >>> rank_by_losses(losses)[0].site
        'c'
    """
    names = sorted(losses)
    if len(names) < 3 or any(sorted(row) != names for row in losses.values()):
        rule = "each of at least three sites gives a loss of each update, its own among them"
        raise FederationError(f"losses of {len(names)} sites", rule, "Ask all sites: losses")
    scores = []
    for name in names:
        ratios = []
        for other in names:
            if other != name:
                middle = statistics.median(losses[other].values())
                ratios.append(losses[other][name] / middle - 1 if middle else 0.0)
        scores.append(statistics.median(ratios))
    return _ranked(names, scores, FLOOR)


def _ranked(names: Sequence[str], scores: Sequence[float], floor: float) -> list[SiteScore]:
    centre = statistics.median(scores)
    spread = max(statistics.median(abs(score - centre) for score in scores), floor)
    ranked = sorted(zip(names, scores, strict=True), key=lambda pair: -pair[1])
    return [SiteScore(name, score, score > centre + 4 * spread) for name, score in ranked]


def _products(updates: Sequence[Update], start: Update | None) -> Tensor:
    # Products and whole weights count alike, however many numbers each has.
    share = 0.5 if start is not None and _whole(updates[0]) else 1.0
    changes = [_moved(update, start) for update in updates]
    if not changes[0]:
        return share * _cosines([_flat(u.adapter, start.adapter if start else {}) for u in updates])
    gram = [[sum(inner(one[n], two[n]) for n in one) for two in changes] for one in changes]
    return share * _normed(torch.tensor(gram, dtype=torch.float64))


def _moved(update: Update, start: Update | None) -> dict[str, tuple[Tensor, Tensor]]:
    if start is not None:
        return changed(update, start)
    return {name: stacked([pair], [1.0]) for name, pair in pairs(update).items()}


def _heads(updates: Sequence[Update], start: Update | None) -> Tensor:
    if start is None or not _whole(updates[0]):
        return torch.zeros(len(updates), len(updates), dtype=torch.float64)
    return 0.5 * _cosines([_flat(_whole(update), _whole(start)) for update in updates])


def _whole(update: Update) -> dict[str, Tensor]:
    """Return the head and, beside products, the modules that the adapter copied."""
    return {**update.head, **(others(update) if pairs(update) else {})}


def _flat(values: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> Tensor:
    parts = [
        (v.double() - before.get(n, torch.zeros(())).double()).flatten() for n, v in values.items()
    ]
    return torch.cat(parts) if parts else torch.zeros(1, dtype=torch.float64)


def _cosines(rows: Sequence[Tensor]) -> Tensor:
    stack = torch.stack(list(rows))
    return _normed(stack @ stack.T)


def _normed(gram: Tensor) -> Tensor:
    """Return cosines from inner products; two updates without any change are alike."""
    norms = gram.diagonal().clamp(min=0).sqrt()
    outer = norms[:, None] * norms[None]
    still = (norms < 1e-12)[:, None] & (norms < 1e-12)[None]
    return torch.where(outer > 1e-24, gram / outer.clamp(min=1e-24), still.double())
