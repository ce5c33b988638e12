"""Write the tables of the PDE plugin's README from the CSVs beside this file.

    python benchmarks/pde_tables.py

A table stands between `<!-- results: NAME -->` and `<!-- end -->`; a test compares both.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "plugins/pde/README.md"
MARK = re.compile(r"(<!-- results: ([a-z_]+) -->\n).*?(<!-- end -->)", re.DOTALL)
Row = dict[str, str]

MEASURES = {
    ("autoencode", "test_vrmse"): "VRMSE of the reconstruction",
    ("dynamics", "test_vrmse"): "VRMSE of the next state",
    ("dynamics", "test_vrmse_persistence"): "the same of persistence",
    ("generate", "test_spectral_distance"): "spectra from those of the data, decades",
}
PRESETS = {"all-linear": "linear layers", "conv": "convolutions", "all": "all layers"}


def recipes() -> str:
    """What each recipe reaches on its test split, by seed."""
    rows, lines = _read("pde_recipes"), []
    for (recipe, measure), title in MEASURES.items():
        found = [r for r in rows if (r["recipe"], r["measure"]) == (recipe, measure)]
        values = [float(row["value"]) for row in found]
        spread = f"{mean(values):.3f} ± {stdev(values):.3f}" if len(values) > 1 else ""
        each = ", ".join(f"{float(row['value']):.3f} ({row['seed']})" for row in found)
        lines.append([f"`pde/{recipe}`", title, each, spread])
    return _table(["recipe", "measure on the test split", "value (seed)", "mean"], lines)


def data() -> str:
    """Rates of reading, values that differ, memory, workers."""
    rows, lines = _read("pde_data"), []
    for source in dict.fromkeys(row["source"] for row in rows):
        found = {row["measure"]: row for row in rows if row["source"] == source}
        cells = [_first(found, part) for part in ("crops", "unequal", "memory", "4 workers")]
        lines.append([source, *cells])
    head = ["random 64^3 crops, GB/s", "values unequal", "memory grown, MB"]
    return _table(["source", *head, "3 epochs, 4 workers, pairs/s"], lines)


def memory() -> str:
    """What is kept for the backward pass over full fine-tuning, and peft's time over ours."""
    rows, lines = _read("pde_memory"), []
    kept = [row for row in rows if row["mib"]]
    for targets, title in PRESETS.items():
        for cubes in dict.fromkeys(row["cubes"] for row in kept):
            found = {r["arm"]: r for r in kept if (r["targets"], r["cubes"]) == (targets, cubes)}
            sizes = [f"{r['mib']} ({r['over_full']})" for r in (found["peft"], found["ours"])]
            (full,) = (r["mib"] for r in kept if r["cubes"] == cubes and not r["targets"])
            lines.append([title, found["ours"]["trained"], cubes, full, *sizes])
    return _table(["LoRA on", "trained", "cubes", "full, MiB", "peft (of full)", "ours"], lines)


def times() -> str:
    """Forward and backward: peers over ours."""
    rows, lines = [row for row in _read("pde_memory") if row["times_ours"]], []
    for targets, title in PRESETS.items():
        found = {row["arm"]: row for row in rows if row["targets"] == targets}
        cells = [
            f"{r['times_ours']} ({r['ci_low']} to {r['ci_high']})"
            for r in (found["peft"], found["full fine-tuning"])
        ]
        ours = found["ours"]
        time = f"{float(ours['median_ms']):.0f}"
        lines.append([title, ours["cubes"], time, *cells, ours["gradient_distance"]])
    head = ["LoRA on", "cubes", "ours, ms", "peft over ours", "full fine-tuning over ours"]
    return _table([*head, "gradients from peft's"], lines)


def transfer() -> str:
    """What trains and what it reaches on equations that the weights have not seen, over seeds."""
    rows, lines = _read("pde_transfer"), []
    for key in dict.fromkeys((r["equation"], r["task"], r["arm"]) for r in rows):
        found = [row for row in rows if (row["equation"], row["task"], row["arm"]) == key]
        first = found[0]
        share = int(first["trained"]) / int(first["parameters"])
        line = [*key, f"{int(first['trained']):,} ({share:.1%})", first["lr"]]
        for name in ("before", "vrmse", "persistence"):
            line.append(_over_seeds(found, name))
        lines.append(line)
    head = ["equation", "task", "what trains", "parameters", "rate", "VRMSE before", "after"]
    return _table([*head, "persistence"], lines)


def rollouts() -> str:
    """Errors and distances of spectra by horizon, over seeds."""
    rows, lines = [r for r in _read("pde_transfer") if r["task"] == "dynamics"], []
    columns = [f"{m}_{h}" for m in ("vrmse", "spectra") for h in ("1", "6:12", "13:30")]
    for key in dict.fromkeys((r["equation"], r["arm"]) for r in rows):
        found = [row for row in rows if (row["equation"], row["arm"]) == key]
        lines.append([*key, *(_over_seeds(found, name, ".2f") for name in columns)])
    head = [f"{m}, {h}" for m in ("VRMSE", "spectra") for h in ("step 1", "6:12", "13:30")]
    return _table(["equation", "what trains", *head], lines)


def online() -> str:
    """How fast the solvers are, and how long training waits for them."""
    lines = []
    for row in _read("pde_online"):
        share = f"{float(row['waiting_share']):.1%}"
        settings = [row[name] for name in ("points", "workers", "reuse")]
        lines.append([*settings, row["frames_per_s"], row["cubes_per_s"], row["step_ms"], share])
    head = ["points", "workers", "mean uses of a cube", "frames/s", "cubes/s", "a step, ms"]
    return _table([*head, "waiting"], lines)


TABLES: dict[str, Callable[[], str]] = {
    "recipes": recipes,
    "data": data,
    "memory": memory,
    "times": times,
    "transfer": transfer,
    "rollouts": rollouts,
    "online": online,
}


def fill(text: str) -> str:
    """The page with every table made anew."""
    return MARK.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def _first(rows: dict[str, Row], part: str) -> str:
    return next((row["median"] for measure, row in rows.items() if part in measure), "")


def _over_seeds(rows: Sequence[Row], name: str, form: str = ".3f") -> str:
    """Mean and standard deviation; empty where the measure does not apply."""
    values = [float(row[name]) for row in rows if row.get(name)]
    if len(values) < 2:
        return "".join(f"{value:{form}}" for value in values)
    return f"{mean(values):{form}} ± {stdev(values):{form}}"


def _read(name: str) -> list[Row]:
    with (RESULTS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
