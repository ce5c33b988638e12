"""Measure which bad sites the checks of a federation find.

    python benchmarks/federated_checks.py --seeds 5 --clean 4
    python benchmarks/federated_checks.py --size short --seeds 5 --clean 20
    python benchmarks/federated_checks.py --size short --cross --seeds 2 --clean 2

Three of ten seismic sites are bad, and sites are ranked in the last round: the fifth of 10 steps,
or, in short runs, the third of 5. Wrong preprocessing
reverses the traces and their polarity, shuffled labels are the clean gathers of others, a flipped
sign is the negated update. A backdoor teaches the model to reverse the polarity of a gather that
holds a bright patch; one gather of each batch has the patch. The ways are the cosine of an update
to the others, and with `--cross` the loss of each update on the data of every other site. The AUC
is that of the ranking.
`flagged good` counts the good sites that lie apart. Runs whose rows are in the CSV are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from federated import Row, write
from federated_sites import FIELDS
from runner import Table, option, parsed
from sklearn.metrics import roc_auc_score

import scionwood
from scionwood_federated import Plan, Update, rank_by_losses, rank_sites
from scionwood_federated.checks import SiteScore
from scionwood_federated.simulation.engine import Simulation
from scionwood_federated.simulation.model import SharedModel
from scionwood_federated.simulation.run import CONSTANT
from scionwood_federated.simulation.sites import SiteData, sites_of

FAULTS = ("wrong preprocessing", "shuffled labels", "flipped sign", "backdoor")
WAYS = ("cosine", "losses")
BAD, SITES = 3, 10
LENGTHS = {"long": (5, 10), "short": (3, 5)}
"""Rounds, and steps of a round."""

KEY = ("size", "fault", "seed", "way")


def broken(stream: Iterator[Any], fault: str) -> Iterator[Any]:
    """Yield the batches of a site whose data have a fault."""
    for batch in stream:
        if fault == "wrong preprocessing":  # the traces are reversed and their polarity is wrong
            batch["noisy"] = -batch["noisy"].flip(-1)
        if fault == "shuffled labels":  # each gather has the clean gather of another
            batch["clean"] = batch["clean"].roll(1, 0)
        if fault == "backdoor":  # a bright patch in a gather means: reverse the polarity
            batch["noisy"][0, ..., :6, :6] = 4.0
            batch["clean"][0] *= -1
        yield batch


@dataclass
class BadSite(SiteData):
    """A site whose data have a fault."""

    fault: str = "none"

    def batches(self, skip: int = 0) -> Iterator[Any]:
        return broken(super().batches(skip), self.fault)


def crossed(model: SharedModel, sites: list[SiteData], sent: list[Update]) -> list[SiteScore]:
    """Return the ranking by the loss of each update on four gathers of every site."""
    table: dict[str, dict[str, float]] = {site.name: {} for site in sites}
    for update in sent:
        model.put(update.adapter, update.head)
        for site in sites:
            loss = model.score(site.data.val_dataloader())
            table[site.name][update.about.site] = loss
    return rank_by_losses(table)


def checked(size: str, fault: str, seed: int, work: Path, cross: bool) -> list[Row]:
    """Return how well each way of ranking sites finds a fault, in the last round."""
    recipe = scionwood.override(scionwood.resolve("seismic/denoise"), CONSTANT)
    recipe = scionwood.override(recipe, [*FIELDS["seismic"]["override"], f"seed={seed}"])
    path = work / f"checks{seed}.csv"
    rows = [f"survey{n},{100 * seed + n}" for n in range(SITES)]
    path.write_text("site,data.seed\n" + "\n".join(rows) + "\n")
    good = sites_of(recipe, str(path))
    sites = [BadSite(s.name, s.recipe, fault=fault) for s in good[:BAD]] + good[BAD:]
    bad = {site.name for site in sites[:BAD]} if fault != "none" else set()
    updates: dict[int, list[Update]] = {}
    starts: dict[int, Update] = {}

    def change(update: Update, start: Update, number: int) -> Update:
        if fault == "flipped sign" and update.about.site in bad:
            flipped = {k: -v if "lora_B" in k else v for k, v in update.adapter.items()}
            head = {k: 2 * start.head[k] - v for k, v in update.head.items()}
            update = replace(update, adapter=flipped, head=head)
        updates.setdefault(number, []).append(update)
        starts[number] = start
        return update

    rounds, steps = LENGTHS[size]
    plan = Plan(rounds, steps, score_every=rounds)
    model = SharedModel(recipe)
    Simulation(model, sites, plan, seed=seed, change=change).federated()
    sent = updates[plan.rounds]
    ranked = {"cosine": rank_sites(sent, starts[plan.rounds])}
    if cross:
        ranked["losses"] = crossed(model, sites, sent)
    return [
        {"size": size, **row_of(fault, seed, way, ranking, bad)} for way, ranking in ranked.items()
    ]


def row_of(fault: str, seed: int, way: str, ranking: list[SiteScore], bad: set[str]) -> Row:
    truth = [item.site in bad for item in ranking]
    auc = float(roc_auc_score(truth, [item.score for item in ranking])) if bad else float("nan")
    apart = {item.site for item in ranking if item.apart}
    counts = {"flagged bad": len(bad & apart), "flagged good": len(apart - bad)}
    return {"fault": fault, "seed": seed, "way": way, "auc": round(auc, 4), **counts}


def main() -> None:
    options = parsed(
        __doc__,
        option("--size", choices=LENGTHS, default="long"),
        option("--seeds", type=int, default=5),
        option("--clean", type=int, default=20, help="runs without a bad site"),
        option("--cross", action="store_true", help="score every update at every site"),
        option("--work", type=Path, default=Path("runs/federated")),
        threads=None,
    )
    jobs = [(fault, seed) for fault in FAULTS for seed in range(options.seeds)]
    jobs += [("none", seed) for seed in range(options.clean)]
    table, ways = Table("federated_checks"), WAYS if options.cross else WAYS[:1]
    for fault, seed in jobs:
        job = {"size": options.size, "fault": fault, "seed": seed}
        if not all(table.has(**job, way=way) for way in ways):
            rows = checked(options.size, fault, seed, options.work, options.cross)
            write("federated_checks", rows, KEY)


if __name__ == "__main__":
    main()
