"""The figure of the losses over the optimiser steps."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from statistics import median

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scionwood.files.styles import figure_style

Points = list[tuple[int, float]]

_LIGHT = {"ink": "#1b1f24", "line": "#d8dee4", "train": "#0b5cad", "val": "#b3480a"}
_DARK = {"ink": "#e6e8eb", "line": "#4a525c", "train": "#79b8ff", "val": "#ffa657"}
_WINDOW = 25


@figure_style()
def metrics_figure(
    rows: Sequence[Mapping[str, str]], step: int | None = None, *, dark: bool = False
) -> Figure:
    """Plot the training loss and the validation loss over optimiser steps.

    A thin line shows each training step and a thick one the running median over 25 steps. The axis
    of the losses is logarithmic if they span more than a factor of 30.

    Args:
        rows: the rows of metrics.csv.
        step: the step of the exported weights, which a vertical line marks; `None` means no line.
        dark: whether the colours are those for a dark page; the background is transparent.
    """
    colours = _DARK if dark else _LIGHT
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    if dark:
        figure.patch.set_alpha(0)
    axis = figure.subplots()
    train, val = points(rows, "train_loss"), points(rows, "val_loss")
    if train:
        thin = len(train) > 2 * _WINDOW
        _line(axis, train, colours["train"], "" if thin else "training", 0.35 if thin else 1.0)
        if thin:
            _line(axis, _smooth(train), colours["train"], "training, running median", 1.0)
    if val:
        axis.plot(*zip(*val, strict=True), "o-", ms=4, color=colours["val"], label="validation")
    if step:
        axis.axvline(step, color=colours["ink"], lw=1, ls=":", label="exported weights")
    losses = [loss for _, loss in train + val]
    if losses and min(losses) > 0 and max(losses) > 30 * min(losses):
        axis.set_yscale("log")
    axis.set(xlabel="optimiser step", ylabel="loss")
    _paint(axis, colours)
    return figure


def svg(figure: Figure) -> bytes:
    """Return a figure as SVG; the same figure always gives the same bytes."""
    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "scionwood"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def points(rows: Sequence[Mapping[str, str]], name: str) -> Points:
    """Return the finite values of a column with their steps."""
    pairs = ((int(row["step"]), float(row[name])) for row in rows if name in row)
    return [(step, value) for step, value in pairs if math.isfinite(value)]


def _line(axis: Axes, line: Points, colour: str, label: str, alpha: float) -> None:
    steps, losses = zip(*line, strict=True)
    width = 1.8 if label else 0.8
    axis.plot(steps, losses, "-", color=colour, alpha=alpha, lw=width, label=label or None)


def _smooth(line: Points) -> Points:
    half = _WINDOW // 2
    losses = [loss for _, loss in line]
    return [
        (step, median(losses[max(0, at - half) : at + half + 1]))
        for at, (step, _) in enumerate(line)
    ]


def _paint(axis: Axes, colours: Mapping[str, str]) -> None:
    axis.set_facecolor("none")
    axis.spines[["left", "bottom"]].set_color(colours["line"])
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.tick_params(colors=colours["ink"], which="both")
    axis.grid(axis="y", color=colours["line"], lw=0.6)
    axis.xaxis.label.set_color(colours["ink"])
    axis.yaxis.label.set_color(colours["ink"])
    if axis.get_legend_handles_labels()[0]:
        axis.legend(labelcolor=colours["ink"])
