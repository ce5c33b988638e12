"""Draw the learning curve of a run: validation scores of address over the training steps."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood import figure_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCORES = {"val_register_match": "has an accepted level", "val_ended": "ends by itself"}


@figure_style()
def learning_curve(path: str | Path) -> Figure | None:
    """Draw the share of greedy answers at an accepted level, and of answers that end.

    Args:
        path: the metrics.csv of a run.

    Returns:
        The figure, or `None` if validation generated no answers.
    """
    from matplotlib.figure import Figure

    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axis = figure.subplots()
    for name, label in _SCORES.items():
        points = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
        if points:
            axis.plot(*zip(*points, strict=True), "o-", label=label)
    if not axis.lines:
        return None
    axis.set(xlabel="optimiser step", ylabel="share of validation prompts", ylim=(-0.02, 1.02))
    axis.legend(fontsize="small")
    return figure
