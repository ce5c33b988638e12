"""Measure what federation gains on the recipes of four fields, and which bad sites its check finds.

    python benchmarks/federated.py                     # both parts, three seeds
    python benchmarks/federated.py --only fields --fields seismic --seeds 1
    python benchmarks/federated.py --only checks --seeds 5

Fields: sites of a recipe train alone, by rounds, and on pooled data; see `scionwood federated
simulate`. Seismic sites are surveys that differ in noise, biomed sites hold classes unequally
(Dirichlet 0.5), crash sites are makers with one family of parts each, bangla sites have other
sentences. Every site trains for rounds times steps; pooled trains for the steps of all sites. The
settings were fixed before any of these scores was seen. `start` is the adapter before training.

Checks: three of ten seismic sites are bad, and sites are ranked by the cosine of their updates in
the fifth round. Wrong preprocessing reverses the traces and their polarity, shuffled labels are the
clean gathers of others, a flipped sign is the negated update. The AUC is that of the ranking.
`flagged good` counts the good sites that lie apart.

What is done stays in `--work`, and the next call goes on.
"""

from __future__ import annotations

import argparse
import csv
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sklearn.metrics import roc_auc_score

import scionwood
from scionwood_federated.api import Plan, Update, simulate
from scionwood_federated.checks import rank_sites
from scionwood_federated.simulation.engine import Simulation
from scionwood_federated.simulation.model import SharedModel
from scionwood_federated.simulation.report import rows_of
from scionwood_federated.simulation.run import CONSTANT
from scionwood_federated.simulation.sites import SiteData, sites_of

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("scionwood", "scionwood-federated", "torch", "peft")
RULES = ("exact", "factors", "frozen_a")
FAULTS = ("none", "wrong preprocessing", "shuffled labels", "flipped sign")
BAD, SITES = 3, 10

SEISMIC = (
    ("land", "[ground_roll, erratic]"),
    ("marine", "[swell, band]"),
    ("fibre", "[fading, checkerboard]"),
    ("quiet", "[white]"),
)
FIELDS: dict[str, dict[str, Any]] = {
    "seismic": {
        "recipe": "seismic/denoise",
        "override": [
            "data.n_traces=64",
            "data.n_samples=64",
            "data.n_val=4",
            "data.n_test=12",
            "data.n_train=24",
            "data.batch_size=4",
            "task.lr=2e-3",
        ],
    },
    "biomed": {
        "recipe": "biomed/few_shot_lora",
        "override": ["data.shots=16", "data.subjects=160", "data.batch_size=8", "task.lr=1e-2"],
        "steps": 24,
    },
    "crash": {
        "recipe": "crash/transfer_lora",
        "override": ["data.n_train=4", "data.n_val=2", "data.n_test=4", "data.batch_size=2"],
    },
    "bangla": {
        "recipe": "bangla/register_tiny",
        "override": [
            "data.n_train=60",
            "data.n_val=12",
            "data.n_test=24",
            "task.max_new_tokens=60",
        ],
    },
}


def sites_for(field: str, folder: Path, seed: int) -> str:
    """Return the way to make the sites of a field."""
    if field == "biomed":
        return "dirichlet:0.5:4"
    if field == "crash":
        return "by:data.families"
    path = folder / f"{field}{seed}.csv"
    if field == "seismic":
        rows = [f'{name},"{noises}",{10 * seed + n}' for n, (name, noises) in enumerate(SEISMIC)]
        path.write_text("site,data.noises,data.seed\n" + "\n".join(rows) + "\n")
    else:
        rows = [f"school{n},{10 * seed + n}" for n in range(4)]
        path.write_text("site,data.seed\n" + "\n".join(rows) + "\n")
    return str(path)


def measured(field: str, rule: str, seed: int, work: Path) -> list[dict[str, object]]:
    """Return the rows of a field, a rule and a seed."""
    settings = FIELDS[field]
    override = [*settings["override"], f"seed={seed}"]
    if field == "crash":
        override.append("data.families=[hat, bumper, tube]")
    if field not in ("bangla", "seismic"):
        override.append(f"data.seed={seed}")
    rank = scionwood.resolve(settings["recipe"]).adapter.options["r"]
    if rule == "frozen_a":  # it sends B alone, so that four times the rank costs twice the bytes
        override += [f"adapter.r={4 * rank}", f"adapter.lora_alpha={8 * rank}"]
    regimes = ("alone", "federated", "pooled") if rule == "exact" else ("federated",)
    out = work / f"{field}-{rule}-{seed}"
    done = simulate(
        settings["recipe"],
        sites_for(field, work, seed),
        out,
        plan=Plan(rounds=15, steps=settings.get("steps", 8), rule=rule, score_every=15),
        compare=regimes,
        overrides=override,
        seed=seed,
        resume=out.exists(),
    )
    gap = done.gap_closed
    first = {"field": field, "rule": rule, "seed": seed, "measure": done.score}
    return [
        {**first, **row, "gap closed": "" if gap is None else round(gap, 3)}
        for row in rows_of(done)
    ]


def broken(stream: Iterator[Any], fault: str) -> Iterator[Any]:
    """Yield the batches of a site whose data have a fault."""
    for batch in stream:
        if fault == "wrong preprocessing":  # the traces are reversed and their polarity is wrong
            batch["noisy"] = -batch["noisy"].flip(-1)
        if fault == "shuffled labels":  # each gather has the clean gather of another
            batch["clean"] = batch["clean"].roll(1, 0)
        yield batch


@dataclass
class BadSite(SiteData):
    """A site whose data have a fault."""

    fault: str = "none"

    def batches(self, skip: int = 0) -> Iterator[Any]:
        """Yield the faulty batches."""
        return broken(super().batches(skip), self.fault)


def checked(fault: str, seed: int, work: Path) -> dict[str, object]:
    """Return how well the ranking of sites finds a fault, in the fifth round."""
    recipe = scionwood.override(scionwood.resolve("seismic/denoise"), CONSTANT)
    recipe = scionwood.override(recipe, [*FIELDS["seismic"]["override"], f"seed={seed}"])
    path = work / f"checks{seed}.csv"
    rows = [f"survey{n},{100 * seed + n}" for n in range(SITES)]
    path.write_text("site,data.seed\n" + "\n".join(rows) + "\n")
    good = sites_of(recipe, str(path))
    sites = [BadSite(s.name, s.recipe, fault=fault) for s in good[:BAD]] + good[BAD:]
    bad = {site.name for site in sites[:BAD]} if fault != "none" else set()
    kept: dict[int, list[Update]] = {}
    starts: dict[int, Update] = {}

    def change(update: Update, start: Update, number: int) -> Update:
        if fault == "flipped sign" and update.about.site in bad:
            flipped = {k: -v if "lora_B" in k else v for k, v in update.adapter.items()}
            head = {k: 2 * start.head[k] - v for k, v in update.head.items()}
            update = replace(update, adapter=flipped, head=head)
        kept.setdefault(number, []).append(update)
        starts[number] = start
        return update

    plan = Plan(rounds=5, steps=10, score_every=5)
    Simulation(SharedModel(recipe), sites, plan, seed=seed, change=change).federated()
    ranking = rank_sites(kept[plan.rounds], starts[plan.rounds])
    truth = [each.site in bad for each in ranking]
    auc = float(roc_auc_score(truth, [each.score for each in ranking])) if bad else float("nan")
    apart = [each.site for each in ranking if each.apart]
    counts = {"flagged bad": len(bad & set(apart)), "flagged good": len(set(apart) - bad)}
    return {"fault": fault, "seed": seed, "auc": auc, **counts}


def write(name: str, rows: list[dict[str, object]]) -> None:
    """Write rows with the machine and the versions."""
    where = {"machine": platform.processor() or platform.machine()}
    where |= {package: version(package) for package in PACKAGES}
    with (RESULTS / name).open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*rows[0], *where], lineterminator="\n")
        table.writeheader()
        table.writerows({**row, **where} for row in rows)


def main() -> None:
    """Measure, and write the CSVs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("fields", "checks"))
    parser.add_argument("--fields", nargs="+", choices=FIELDS, default=list(FIELDS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--clean", type=int, default=20, help="runs without a bad site")
    parser.add_argument("--work", type=Path, default=Path("runs/federated"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.only != "checks":
        rows: list[dict[str, object]] = []
        for seed in range(options.seeds):
            for field in options.fields:
                for rule in RULES:
                    rows += measured(field, rule, seed, options.work)
                    write("federated.csv", rows)
    if options.only != "fields":
        found: list[dict[str, object]] = []
        for fault in (*FAULTS[1:], FAULTS[0]):
            for seed in range(options.clean if fault == "none" else options.seeds):
                found.append(checked(fault, seed, options.work))
                write("federated_checks.csv", found)


if __name__ == "__main__":
    main()
