"""Measure what federation gains on the recipes of four fields.

    python benchmarks/federated.py                     # all fields, three seeds
    python benchmarks/federated.py --fields seismic --rules exact factors frozen_a
    python benchmarks/federated.py --fields seismic --adapters lora ia3 --seeds 1

Sites of a recipe train alone, by rounds, and on pooled data; see `scionwood federated
simulate`. Seismic sites are surveys that differ in noise, biomed sites hold classes unequally
(Dirichlet 0.5), crash sites are makers with one family of parts each, bangla sites have other
sentences. Every site trains for rounds times steps; pooled trains for the steps of all sites. The
settings were fixed before any of these scores was seen. With two adapters this is the protocol of
the Sherpa study: each adapter alone, by rounds and pooled, with bytes, CPU time and peak memory.

Bad sites are measured by federated_checks.py, privacy by federated_privacy.py. What is done stays
in `--work`, and the next call goes on. Rows of other fields, rules, adapters and seeds are kept.
"""

from __future__ import annotations

import argparse
import csv
import platform
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import scionwood
from scionwood_federated.api import Plan, simulate
from scionwood_federated.simulation.report import rows_of

Row = dict[str, object]
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("scionwood", "scionwood-federated", "torch", "peft")
RULES = ("exact", "factors", "frozen_a")
KEY = ("field", "rule", "seed", "adapter", "regime")

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
        "steps": 4,
    },
    "bangla": {
        "recipe": "bangla/register_tiny",
        "override": [
            "data.n_train=60",
            "data.n_val=12",
            "data.n_test=24",
            "task.max_new_tokens=60",
        ],
        "steps": 4,
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


def settings_of(field: str, rule: str, adapter: str, seed: int) -> list[str]:
    """Return the changes of the recipe of a field."""
    override = [*FIELDS[field]["override"], f"seed={seed}"]
    if field == "crash":
        override.append("data.families=[hat, bumper, tube]")
    if field not in ("bangla", "seismic"):
        override.append(f"data.seed={seed}")
    if adapter != "lora":  # IA3, which has no rank
        return [f"adapter={{name: {adapter}, feedforward_modules: []}}", *override]
    if rule == "frozen_a":  # it sends B alone, so that four times the rank costs twice the bytes
        rank = scionwood.resolve(FIELDS[field]["recipe"]).adapter.options["r"]
        override += [f"adapter.r={4 * rank}", f"adapter.lora_alpha={8 * rank}"]
    return override


def measured(field: str, rule: str, adapter: str, seed: int, work: Path) -> list[Row]:
    """Return the rows of a field, a rule, an adapter and a seed."""
    regimes = ("alone", "federated", "pooled") if rule == "exact" else ("federated",)
    out = work / "-".join([field, rule, str(seed)] + ([adapter] if adapter != "lora" else []))
    done = simulate(
        FIELDS[field]["recipe"],
        sites_for(field, work, seed),
        out,
        plan=Plan(rounds=15, steps=FIELDS[field].get("steps", 8), rule=rule, score_every=15),
        compare=regimes,
        overrides=settings_of(field, rule, adapter, seed),
        seed=seed,
        resume=out.exists(),
    )
    gap = done.gap_closed
    first = {"field": field, "rule": rule, "seed": seed, "adapter": adapter, "measure": done.score}
    return [
        {**first, **row, "gap closed": "" if gap is None else round(gap, 3)}
        for row in rows_of(done)
    ]


def write(path: Path, rows: list[Row], key: tuple[str, ...]) -> None:
    """Write rows with the machine and the versions; other rows of the file stay."""
    where = {"machine": platform.processor() or platform.machine()}
    where |= {package: version(package) for package in PACKAGES}
    found: dict[tuple[str, ...], Row] = {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            for old in csv.DictReader(file):
                found[tuple(old[name] for name in key)] = dict(old)
    for row in rows:
        found[tuple(str(row[name]) for name in key)] = {**row, **where}
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list({**rows[0], **where}), lineterminator="\n")
        table.writeheader()
        table.writerows(found[place] for place in sorted(found))


def main() -> None:
    """Measure, and write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fields", nargs="+", choices=FIELDS, default=list(FIELDS))
    parser.add_argument("--rules", nargs="+", choices=RULES, default=["exact"])
    parser.add_argument("--adapters", nargs="+", choices=("lora", "ia3"), default=["lora"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/federated"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        for field, rule, adapter in product(options.fields, options.rules, options.adapters):
            rows = measured(field, rule, adapter, seed, options.work)
            write(RESULTS / "federated.csv", rows, KEY)


if __name__ == "__main__":
    main()
