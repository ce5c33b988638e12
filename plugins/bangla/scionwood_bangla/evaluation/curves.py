"""How the sense of address is learned: the scores of validation over the steps."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCORES = {"val_register_match": "keeps to the level asked for", "val_ended": "ends by itself"}


def learning_curve(path: Path) -> Figure | None:
    """The share of greedy answers at an accepted level, and of those that end.

    Args:
        path: a run's metrics.csv.

    Returns:
        None where nothing was generated.
    """
    from matplotlib.figure import Figure

    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axis = figure.subplots()
    for name, label in _SCORES.items():
        found = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
        if found:
            axis.plot(*zip(*found, strict=True), "o-", label=label)
    if not axis.lines:
        return None
    axis.set(xlabel="optimiser step", ylabel="share of validation prompts", ylim=(-0.02, 1.02))
    axis.legend(fontsize="small")
    return figure
