"""Draw the figure of the biomed plugin: the synthetic classes, and accuracy by wording.

    python benchmarks/biomed_figure.py

The images are slices of `biomed/phantoms`. The bars are the results at eight shots in
results/biomed.csv: accuracy under the training wording and under the worst of six other wordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from runner import draw_figure, read

from scionwood.authoring import figure_style
from scionwood_biomed.data.phantoms import CLASSES, phantom, phantom_items

TARGET = Path(__file__).parents[1] / "docs" / "figures" / "biomed.png"
SHOTS = "8"
METHODS = {
    "linear_probe": "linear probe",
    "single_template": "LoRA, one sentence",
    "prompt_augmentation": "LoRA, varied sentences",
    "coop": "CoOp",
    "dual_anchor_loss": "dual anchors in training only",
    "dual_anchor": "dual anchors, kept",
    "single_template_kept": "LoRA, one sentence, anchors kept",
}


@figure_style()
def draw() -> Figure:
    figure = Figure(figsize=(8.4, 5.0), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.3))
    above.suptitle("synthetic CT slices of biomed/phantoms", fontsize=10)
    below.suptitle("measured on slices of the MNI brain template", fontsize=10)
    for axes, name in zip(above.subplots(1, len(CLASSES)), CLASSES, strict=True):
        item = next(item for item in phantom_items(len(CLASSES), 1) if item.label == name)
        axes.imshow(phantom(item, 0))
        axes.set_title(name, fontsize=9)
        axes.set_axis_off()

    rows = [row for row in read("biomed") if row["part"] == "few-shot"]
    _bars(below.subplots(), [row for row in rows if row["shots"] == SHOTS])
    return figure


def _bars(axes: Axes, rows: Sequence[dict[str, str]]) -> None:
    places = np.arange(len(METHODS))
    columns = {"training wording": "accuracy", "worst of six other wordings": "wording_worst"}
    for shift, (title, column) in zip((-0.2, 0.2), columns.items(), strict=True):
        values = [mean(float(r[column]) for r in rows if r["method"] == name) for name in METHODS]
        axes.barh(places + shift, values, 0.38, label=title)
    axes.set_yticks(places, list(METHODS.values()), fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel(f"accuracy (share of images), {SHOTS} shots per class, 9 classes, 3 seeds")
    axes.set_xlim(0, 0.9)
    axes.legend(fontsize=8, loc="upper right")


if __name__ == "__main__":
    draw_figure(__doc__, draw, TARGET)
