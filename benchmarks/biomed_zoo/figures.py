"""Figures of the comparison: reliability of every method, and accuracy by wording."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from scionwood.authoring import figure_style
from scionwood_biomed.evaluation.figures import COLOURS as COLOURS
from scionwood_biomed.evaluation.figures import attention_map as attention_map
from scionwood_biomed.evaluation.figures import over_shots as over_shots
from scionwood_biomed.evaluation.metrics import calibration_error, reliability

PANELS = 5
"""Reliability diagrams per row."""


@figure_style()
def reliability_diagrams(answers: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """Draw accuracy over confidence for several methods, each with its calibration error.

    Args:
        answers: by method, (image, class) probabilities and (image,) int64 labels.
    """
    rows = -(-len(answers) // PANELS)
    figure = Figure(figsize=(2.2 * PANELS, 2.4 * rows), layout="constrained")
    panels = figure.subplots(rows, PANELS, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, (method, (probabilities, label)) in zip(panels, answers.items(), strict=False):
        binned = reliability(probabilities, label)
        width = 1 / len(binned.images)
        edges = np.linspace(0, 1, len(binned.images) + 1)[:-1]
        panel.bar(edges, binned.accuracy.nan_to_num(0).numpy(), width, align="edge",
                  color=COLOURS[5], edgecolor="white")  # fmt: skip
        panel.plot([0, 1], [0, 1], color="0.4", linestyle="--")
        error = calibration_error(probabilities, label)
        panel.set_title(f"{method.replace('_', ' ')}: {error:.3f}", fontsize=8)
        panel.set(xlim=(0, 1), ylim=(0, 1))
    for panel in panels[len(answers) :]:
        panel.set_axis_off()
    figure.supxlabel("confidence", fontsize=9)
    figure.supylabel("accuracy", fontsize=9)
    figure.suptitle("expected calibration errors", fontsize=10)
    return figure


@figure_style()
def wordings(accuracy: Mapping[str, Mapping[str, float]], shots: int) -> Figure:
    """Draw a table of accuracies by method and wording; each method's worst wording is framed.

    Args:
        accuracy: accuracy from 0 to 1, by method and family of wordings.
        shots: K, shown in the title.
    """
    methods, families = list(accuracy), list(next(iter(accuracy.values())))
    values = np.array([[accuracy[method][family] for family in families] for method in methods])
    size = (1.8 + 0.75 * len(families), 1.4 + 0.32 * len(methods))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.imshow(values, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    middle = 0.6  # above it viridis is bright
    for (row, column), value in np.ndenumerate(values):
        colour = "black" if value > middle else "white"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=8)
    for row, column in enumerate(values.argmin(1)):
        axes.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, color="#D55E00", lw=2)
        )
    labels = [family.replace("_", " ") for family in families]
    axes.set_xticks(range(len(families)), labels, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(methods)), [m.replace("_", " ") for m in methods], fontsize=8)
    axes.set_title(f"accuracy by wording, {shots} shots; the worst is framed", fontsize=9)
    return figure
