"""Draw the learning curve of a run: the shares that validation measured, over the steps."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import figure_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ENDED = "val_ended"


@figure_style()
def learning_curve(path: str | Path) -> Figure | None:
    """Draw the shares of greedy answers that end, and that the judge of the data accepts.

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
    names = [name for name in (rows[0] if rows else {}) if name.startswith("val_")]
    for name in names if _ENDED in names else []:
        points = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
        if points and all(0 <= value <= 1 for _, value in points) and name != "val_loss":
            label = name.removeprefix("val_").replace("_", " ")
            axis.plot(*zip(*points, strict=True), "o-", label=label)
    if not axis.lines:
        return None
    axis.set(xlabel="optimiser step", ylabel="share of validation prompts", ylim=(-0.02, 1.02))
    axis.legend(fontsize="small")
    return figure
