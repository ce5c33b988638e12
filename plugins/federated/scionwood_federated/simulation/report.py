"""The tables and figures of a simulation."""

from __future__ import annotations

import csv
import statistics
from math import isnan
from pathlib import Path
from typing import Any

from scionwood.authoring import atomic_path, figure_style
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
    "J",
)


def rows_of(comparison: Comparison) -> list[dict[str, Any]]:
    """Return a row for each regime.

    `score` is the mean over models and sites, `worst site` the worst score of a site's model on
    its own data, and `own data` their mean. Energy is "not measured" where no counter can be read.
    """
    rows = []
    for regime, outcome in comparison.outcomes.items():
        worst = (min if comparison.higher else max)(outcome.own.values())
        costs, energy = outcome.costs, outcome.costs.joules
        values = (
            regime,
            round(statistics.fmean(outcome.all.values()), 4),
            round(worst, 4),
            round(statistics.fmean(outcome.own.values()), 4),
            round(costs.up / 1e6, 3),
            round(costs.down / 1e6, 3),
            round(costs.cpu, 1),
            "not measured" if isnan(costs.peak) else round(costs.peak),
            "not measured" if energy is None else round(energy, 1),
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def write_report(comparison: Comparison) -> None:
    """Write `table.csv`, `scores.csv`, the figures, and `rounds.csv` and `checks.csv` of rounds."""
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
    _draw(comparison)


def _write(path: Path, heading: Any, rows: Any) -> None:
    with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(heading)
        table.writerows(rows)


def _draw(comparison: Comparison) -> None:
    import matplotlib.pyplot as plt

    (comparison.folder / "figures").mkdir(exist_ok=True)
    with figure_style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
        _by_round(left, comparison)
        _by_site(right, comparison)
        with atomic_path(comparison.folder / "figures" / "federation.png") as part:
            figure.savefig(part, format="png", dpi=150)
        plt.close(figure)


def _by_round(axes: Any, comparison: Comparison) -> None:
    if "federated" in comparison.outcomes:
        rounds = comparison.outcomes["federated"].rounds
        for site in dict.fromkeys(site for _, site, _ in rounds):
            points = [(r, score) for r, name, score in rounds if name == site]
            axes.plot(*zip(*points, strict=True), marker=".", linewidth=0.8, alpha=0.6)
    for regime, style in (("alone", ":"), ("pooled", "--")):
        if regime in comparison.outcomes:
            level = statistics.fmean(comparison.outcomes[regime].all.values())
            axes.axhline(level, linestyle=style, color="black", label=regime)
    axes.set(xlabel="round", ylabel=comparison.score, title="federated, a line for each site")
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def _by_site(axes: Any, comparison: Comparison) -> None:
    for regime, outcome in comparison.outcomes.items():
        names = [name.replace("$", r"\$") for name in outcome.own]  # $ begins a formula
        axes.plot(names, list(outcome.own.values()), "o", label=regime)
    axes.set(xlabel="site", ylabel=comparison.score, title="on the site's own test data")
    axes.tick_params(axis="x", rotation=45)
    axes.legend()
