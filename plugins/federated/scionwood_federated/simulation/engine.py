"""Alone, federated and pooled: one recipe, the same sites, the same number of steps a site."""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from scionwood_federated.checks import SiteScore, rank_sites
from scionwood_federated.rules.pooled import Pooled
from scionwood_federated.rules.registry import apply, weights_of
from scionwood_federated.schedule import Plan, Regime
from scionwood_federated.simulation.costs import Costs, size_of
from scionwood_federated.simulation.model import HomeData, SharedModel
from scionwood_federated.simulation.personal import candidates, pick
from scionwood_federated.simulation.sites import SiteData
from scionwood_federated.update.record import Update
from scionwood_federated.update.together import check_together

Change = Callable[[Update, Update, int], Update]
"""What a test of the checks does to an update of a site: `(update, start, round) -> update`."""


@dataclass
class Outcome:
    """What a regime reached.

    Attributes:
        regime: see `Regime`.
        own: the score of each site's model on the site's own test data.
        all: the mean score of each site's model on the test data of every site.
        costs: see `Costs`.
        rounds: `(round, site, score)` of the federated model.
        lost: the largest share of the energy that the rank could not hold in a round.
        ranking: the check of the sites in the last round.
        final: the weights; those of the first site for alone.
        chosen: what each site's validation data chose, where there is a personal part.
    """

    regime: Regime
    own: dict[str, float]
    all: dict[str, float]
    costs: Costs
    rounds: list[tuple[int, str, float]] = field(default_factory=list)
    lost: float = 0.0
    ranking: list[SiteScore] = field(default_factory=list)
    final: Pooled | Update | None = None
    chosen: dict[str, str] = field(default_factory=dict)


@dataclass
class Progress:
    """The state of the federated regime after a round, from which it goes on.

    Attributes:
        round: the rounds that are done.
        pooled: the weights that the next round starts from.
        heads: the heads of the sites, where they are personal.
        rounds: the scores so far.
        lost: the largest energy lost so far.
        costs: the costs so far.
    """

    round: int
    pooled: Pooled
    heads: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    rounds: list[tuple[int, str, float]] = field(default_factory=list)
    lost: float = 0.0
    costs: Costs = field(default_factory=Costs)


class Simulation:
    """A federation in one process.

    Args:
        model: the model, which takes the weights of each site in turn.
        sites: the sites.
        plan: what to do.
        seed: the seed of everything that a recipe does not seed.
        change: what happens to an update before it is sent; for tests of the checks.
    """

    def __init__(
        self,
        model: SharedModel,
        sites: Sequence[SiteData],
        plan: Plan,
        *,
        seed: int = 0,
        change: Change | None = None,
    ) -> None:
        self.model, self.sites, self.plan, self.seed = model, sites, plan, seed
        self.change = change
        self.start = model.state("global", 0, 0, 0)
        self._begun = time.monotonic()
        self._lone: dict[str, Update] = {}

    def alone(self) -> Outcome:
        """Train each site by itself, for as many steps as it has in the federation."""
        costs, own_scores, everywhere = Costs(), {}, {}
        final = None
        for number, site in enumerate(self.sites):
            with costs.counted():
                reached = self._trained_alone(number)
            self._put(reached)
            final = final or reached
            scores = self._scores()
            own_scores[site.name], everywhere[site.name] = scores[site.name], _mean(scores)
            self._say("alone", number + 1, len(self.sites))
        return Outcome("alone", own_scores, everywhere, costs, final=final)

    def personal(self, everyone: Pooled) -> Outcome:
        """Let each site choose its own model after the rounds, by its validation data.

        Args:
            everyone: the weights after the last round.
        """
        costs, own_scores, everywhere, chosen = Costs(), {}, {}, {}
        shared = Update(self.start.about, self.model.config, everyone.adapter, everyone.head)
        for number, site in enumerate(self.sites):
            with costs.counted():
                kind, seed = self.plan.personal, self._seed(self.plan.rounds + 1, number)
                trained = self._trained_alone(number), self.start, kind, self._steps // 2, seed
                choices = candidates(self.model, site, shared, *trained)
                choice = pick(choices, kind, higher=self.model.higher_is_better)
            self.model.put(choice.weights.adapter, choice.weights.head)
            scores = self._scores()
            own_scores[site.name], everywhere[site.name] = scores[site.name], _mean(scores)
            chosen[site.name] = choice.name
            self._say("personal", number + 1, len(self.sites))
        return Outcome("personal", own_scores, everywhere, costs, chosen=chosen)

    def pooled(self, *, equal: bool = False) -> Outcome:
        """Train on all data in one place.

        Args:
            equal: take the steps of one site, not those of all sites together.
        """
        costs = Costs()
        regime: Regime = "pooled_equal" if equal else "pooled"
        with costs.counted():
            self._put(self.start)
            # A federation takes its steps at every site.
            steps = self._steps * (1 if equal else len(self.sites))
            home = HomeData(self.sites[0].data, [site.train_loader() for site in self.sites])
            self.model.train(self._mixed(), steps, self._seed(0, 0), home)
        self._say(regime, 1, 1)
        scores, final = self._scores(), self.model.state("pooled", 0, self._steps, 1)
        return Outcome(regime, scores, dict.fromkeys(scores, _mean(scores)), costs, final=final)

    def federated(
        self, progress: Progress | None = None, keep: Callable[[Progress], None] | None = None
    ) -> Outcome:
        """Train by rounds.

        Args:
            progress: the state after the last round that is done; `None` begins.
            keep: called with the state after each round.
        """
        first = Pooled(self.start.adapter, self.start.head, 0.0, ())
        now = progress or Progress(0, first)
        streams = [site.batches(now.round * self.plan.steps) for site in self.sites]
        costs, ranking = now.costs, []
        held_factor = self.start.about.held
        while now.round < self.plan.rounds:
            with costs.counted():
                start = Update(
                    self.start.about, self.model.config, now.pooled.adapter, now.pooled.head
                )
                updates = self._updates(now, start, streams)
                pooled = self._pool(updates, start)
            costs.up += sum(size_of(update, held_factor) for update in updates)
            costs.down += len(self.sites) * size_of(pooled, held_factor)
            now.round, now.pooled, now.lost = now.round + 1, pooled, max(now.lost, pooled.lost)
            if now.round % self.plan.score_every == 0 or now.round == self.plan.rounds:
                now.rounds += [(now.round, k, v) for k, v in self._federated_scores(now).items()]
            if now.round == self.plan.rounds and len(updates) > 2:
                ranking = rank_sites(updates, start)
            if keep is not None:
                keep(now)
            self._say("federated", now.round, self.plan.rounds)
        scores = {site: score for r, site, score in now.rounds if r == self.plan.rounds}
        everywhere = dict.fromkeys(scores, _mean(scores))
        details = (now.rounds, now.lost, ranking, now.pooled)
        return Outcome("federated", scores, everywhere, costs, *details)

    def _trained_alone(self, number: int) -> Update:
        """Return the weights of a site that trains by itself; they are trained once."""
        site = self.sites[number]
        if site.name not in self._lone:
            self._put(self.start)
            self.model.train(site.batches(), self._steps, self._seed(0, number), site.home())
            reached = self.model.state(site.name, site.samples(), self._steps, 1)
            self._lone[site.name] = reached
        return self._lone[site.name]

    @property
    def _steps(self) -> int:
        return self.plan.rounds * self.plan.steps

    def _updates(
        self, now: Progress, start: Update, streams: Sequence[Iterator[Any]]
    ) -> list[Update]:
        updates = []
        for number, (site, stream) in enumerate(zip(self.sites, streams, strict=True)):
            stays = self.plan.personal == "head"
            head = now.heads.get(site.name, start.head) if stays else start.head
            self.model.put(start.adapter, head)
            seed = self._seed(now.round + 1, number)
            self.model.train(stream, self.plan.steps, seed, site.home(), self.plan.proximal)
            update = self.model.state(site.name, site.samples(), self.plan.steps, now.round + 1)
            if stays:
                now.heads[site.name] = dict(update.head)
                update = Update(update.about, update.config, update.adapter, {})
            updates.append(self.change(update, start, now.round + 1) if self.change else update)
        return updates

    def _pool(self, updates: Sequence[Update], start: Update) -> Pooled:
        check_together(updates, self.plan.rule)
        if self.plan.personal == "head":
            start = Update(start.about, start.config, start.adapter, {})
        weights = weights_of(updates, self.plan.most_samples)
        return apply(self.plan.rule, updates, weights, start, **self.plan.options)

    def _federated_scores(self, now: Progress) -> dict[str, float]:
        scores = {}
        for site in self.sites:
            self.model.put(now.pooled.adapter, now.heads.get(site.name, now.pooled.head))
            scores[site.name] = self.model.score(site.data.test_dataloader())
        return scores

    def _scores(self) -> dict[str, float]:
        return {site.name: self.model.score(site.data.test_dataloader()) for site in self.sites}

    def _put(self, update: Update) -> None:
        self.model.put(update.adapter, update.head)

    def _mixed(self) -> Iterator[Any]:
        """Yield batches of all sites, each as often as its share of the samples."""
        streams = [site.batches() for site in self.sites]
        shares = [site.samples() for site in self.sites]
        rng = random.Random(self.seed)
        while True:
            yield next(rng.choices(streams, shares)[0])

    def _seed(self, round_: int, site: int) -> int:
        # Distinct for all sites and rounds, with fewer than 10,000 sites.
        return self.seed + 10_000 * round_ + site

    def _say(self, regime: str, count: int, total: int) -> None:
        spent = time.monotonic() - self._begun
        print(f"{regime} {count} of {total}, {spent:.0f} s", file=sys.stderr, flush=True)


def _mean(scores: dict[str, float]) -> float:
    return statistics.fmean(scores.values())
