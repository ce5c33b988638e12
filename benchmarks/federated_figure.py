"""Draw the figure of federation: scores by round and by site.

    python benchmarks/federated_figure.py

The scores are those of results/federated_rounds.csv, on each site's own test data. Lines are means
over seeds, and a light line is one seed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from runner import Row, draw_figure, read

from scionwood.authoring import figure_style

TARGET = Path(__file__).parents[1] / "docs" / "figures" / "federated.png"
FIELD = "biomed"
STYLES = {"alone": ":", "pooled": "--"}
MARKS = {"alone": "o", "federated": "s", "pooled": "^"}


@figure_style()
def draw() -> Figure:

    rows = [r for r in read("federated_rounds") if r["field"] == FIELD and r["rule"] == "exact"]
    rows = [row for row in rows if row["adapter"] == "lora"]
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _by_round(left, rows)
    _by_site(right, rows)
    for axes in (left, right):
        axes.set_ylabel(f"{FIELD}, {rows[0]['measure']}")
    return figure


def _by_round(axes: Axes, rows: list[Row]) -> None:
    rounds = [row for row in rows if row["regime"] == "federated"]
    numbers = sorted({int(row["round"]) for row in rounds})
    for number, seed in enumerate(sorted({row["seed"] for row in rounds})):
        one = [row for row in rounds if row["seed"] == seed]
        values = [_mean(row for row in one if int(row["round"]) == n) for n in numbers]
        label = None if number else "federated"
        axes.plot(numbers, values, marker=".", label=label, color="C0")
    for regime, style in STYLES.items():
        level = _mean(row for row in rows if row["regime"] == regime)
        axes.axhline(level, linestyle=style, color="black", label=f"{regime}, after all steps")
    axes.set(xlabel="round", title="mean over sites, a line for each seed")
    axes.legend(fontsize=8)


def _by_site(axes: Axes, rows: list[Row]) -> None:
    sites = list(dict.fromkeys(row["site"] for row in rows))
    last = max(int(row["round"]) for row in rows)
    for regime, mark in MARKS.items():
        finals = [r for r in rows if r["regime"] == regime and int(r["round"]) == last]
        values = [_mean(row for row in finals if row["site"] == site) for site in sites]
        axes.plot(sites, values, mark, label=regime)
    axes.set(xlabel="site", title="on the site's own test data, mean over seeds")
    axes.legend(fontsize=8)


def _mean(rows: Iterable[Row]) -> float:
    return mean(float(row["score"]) for row in rows)


if __name__ == "__main__":
    draw_figure(__doc__, draw, TARGET)
