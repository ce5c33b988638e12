"""The tables of a simulation."""

from __future__ import annotations

import csv
import statistics
from math import isnan
from pathlib import Path
from typing import Any

from scionwood.authoring import atomic_path
from scionwood_federated.simulation.comparison import Comparison

COLUMNS = (
    "regime",
    "score",
    "worst site",
    "own data",
    "MB up",
    "MB down",
    "CPU s",
    "peak MiB",
)


def rows_of(comparison: Comparison) -> list[dict[str, Any]]:
    """Return a row for each regime.

    `score` is the mean over models and sites, `worst site` the worst score of a site's model on
    its own data, and `own data` their mean.
    """
    rows = []
    for regime, outcome in comparison.outcomes.items():
        worst = (min if comparison.higher else max)(outcome.own.values())
        costs = outcome.costs
        values = (
            regime,
            round(statistics.fmean(outcome.all.values()), 4),
            round(worst, 4),
            round(statistics.fmean(outcome.own.values()), 4),
            round(costs.up / 1e6, 3),
            round(costs.down / 1e6, 3),
            round(costs.cpu, 1),
            "not measured" if isnan(costs.peak) else round(costs.peak),
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def write_report(comparison: Comparison) -> None:
    """Write `table.csv`, `scores.csv`, and `rounds.csv` and `checks.csv` of rounds."""
    _write(
        comparison.folder / "table.csv",
        COLUMNS,
        [list(row.values()) for row in rows_of(comparison)],
    )
    sites = [
        [regime, site, score, outcome.all[site], outcome.chosen.get(site, "")]
        for regime, outcome in comparison.outcomes.items()
        for site, score in outcome.own.items()
    ]
    _write(
        comparison.folder / "scores.csv",
        ("regime", "site", "own data", "all data", "chosen"),
        sites,
    )
    if "federated" in comparison.outcomes:
        federated_outcome = comparison.outcomes["federated"]
        _write(
            comparison.folder / "rounds.csv",
            ("round", "site", comparison.score),
            federated_outcome.rounds,
        )
        checks = [list(site_score) for site_score in federated_outcome.ranking]
        _write(comparison.folder / "checks.csv", ("site", "1 - cosine", "apart"), checks)


def _write(path: Path, heading: Any, rows: Any) -> None:
    with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(heading)
        table.writerows(rows)
