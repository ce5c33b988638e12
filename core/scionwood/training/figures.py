"""The figure of the losses over the optimiser steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure


def metrics_figure(rows: Sequence[Mapping[str, str]]) -> Figure:
    """Plot the training loss as a line and the validation loss as points over optimiser steps.

    Args:
        rows: the rows of metrics.csv.
    """
    figure = Figure(figsize=(6, 3.5))
    axis = figure.subplots()
    for name, style in (("train_loss", "-"), ("val_loss", "o")):
        points = [(int(row["step"]), float(row[name])) for row in rows if name in row]
        axis.plot([step for step, _ in points], [loss for _, loss in points], style, label=name)
    axis.set(xlabel="optimiser step", ylabel="loss")
    axis.legend()
    return figure
