"""Figures: reliability, accuracy over shots, and where the fused tokens look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from scionwood_biomed.adapters.dual_anchor.layers import PromptLayer
from scionwood_biomed.evaluation.metrics import calibration_error, reliability

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""Told apart by the colour blind too (Okabe and Ito)."""

PANELS = 5
"""Reliability diagrams in a row."""


def reliability_diagram(probabilities: Tensor, label: Tensor) -> Figure:
    """How often predictions of a confidence are right, and how many there are.

    Args:
        probabilities: (image, class).
        label: (image,) int64.
    """
    found = reliability(probabilities, label)
    edges = np.linspace(0, 1, len(found.images) + 1)
    figure = Figure(figsize=(4.2, 4.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.bar(edges[:-1], found.accuracy.nan_to_num(0).numpy(), 1 / len(found.images), align="edge",
              color=COLOURS[5], edgecolor="white")  # fmt: skip
    above.plot([0, 1], [0, 1], color="0.4", linestyle="--", label="calibrated")
    above.set(ylabel="accuracy", ylim=(0, 1), xlim=(0, 1))
    above.set_title(f"expected calibration error {calibration_error(probabilities, label):.3f}")
    above.legend()
    below.bar(edges[:-1], found.images.numpy(), 1 / len(found.images), align="edge", color="0.6",
              edgecolor="white")  # fmt: skip
    below.set(xlabel="confidence", ylabel="images")
    return figure


def reliability_diagrams(answers: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """Accuracy over confidence of several methods, each with its calibration error.

    Args:
        answers: method -> (image, class) probabilities and (image,) int64 labels.
    """
    rows = -(-len(answers) // PANELS)
    figure = Figure(figsize=(2.2 * PANELS, 2.4 * rows), layout="constrained")
    panels = figure.subplots(rows, PANELS, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, (method, (probabilities, label)) in zip(panels, answers.items(), strict=False):
        found = reliability(probabilities, label)
        width = 1 / len(found.images)
        edges = np.linspace(0, 1, len(found.images) + 1)[:-1]
        panel.bar(edges, found.accuracy.nan_to_num(0).numpy(), width, align="edge",
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


def wordings(accuracy: Mapping[str, Mapping[str, float]], shots: int) -> Figure:
    """A table of accuracies by method and wording; the worst wording of a method is framed.

    Args:
        accuracy: method -> family -> 0 to 1.
        shots: K, for the title.
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
    named = [family.replace("_", " ") for family in families]
    axes.set_xticks(range(len(families)), named, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(methods)), [m.replace("_", " ") for m in methods], fontsize=8)
    axes.set_title(f"accuracy by wording, {shots} shots; the worst is framed", fontsize=9)
    return figure


def over_shots(results: Mapping[str, Mapping[int, Sequence[float]]]) -> Figure:
    """Accuracy over shots, the mean and the standard deviation over seeds.

    Args:
        results: method -> K -> accuracies, one a seed.
    """
    figure = Figure(figsize=(5.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for at, (method, by_shots) in enumerate(results.items()):
        shots = sorted(by_shots)
        means = np.array([np.mean(by_shots[k]) for k in shots])
        spread = np.array([np.std(by_shots[k]) for k in shots])
        colour, line = COLOURS[at % len(COLOURS)], "--" if at >= len(COLOURS) else "-"
        name = method.replace("_", " ")
        axes.plot(shots, means, line, color=colour, marker="o", markersize=4, label=name)
        axes.fill_between(shots, means - spread, means + spread, color=colour, alpha=0.15)
    axes.set_xscale("log", base=2)
    ticks = sorted({k for by_shots in results.values() for k in by_shots})
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.set(xlabel="shots of each class", ylabel="accuracy")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def attention_map(image: Tensor, weights: Tensor) -> Figure:
    """An image, and how much the text context looks at each part of it.

    Args:
        image: (3, row, column), 0 to 1.
        weights: (patch,), of a square of patches, row by row.
    """
    side = round(len(weights) ** 0.5)
    rows, columns = image.shape[-2:]
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    plain, overlaid = figure.subplots(1, 2)
    shown = image.permute(1, 2, 0).cpu().numpy()
    extent = (0, columns, rows, 0)
    for axes in (plain, overlaid):
        axes.imshow(shown, extent=extent)
        axes.set_axis_off()
    drawn = overlaid.imshow(
        weights.reshape(side, side).cpu().numpy(), cmap="magma", alpha=0.5, extent=extent
    )
    overlaid.set_title("attention of the text context", fontsize=9)
    figure.colorbar(drawn, ax=overlaid, shrink=0.8)
    return figure


@torch.no_grad()
def fused_attention(backbone: Any, image: Tensor) -> Tensor | None:
    """(batch, patch), how much the fused text context looks at each patch in the last fusion.

    None where the model has no fusion with a text.
    """
    fusions = [
        fusion
        for layer in backbone.modules()
        if isinstance(layer, PromptLayer)
        for fusion in layer.dual_anchor_fusion.values()
        if hasattr(fusion, "look_back")
    ]
    if not fusions:
        return None
    seen: list[Tensor] = []
    hook = fusions[-1].register_forward_hook(
        lambda fusion, given, _: seen.append(fusion.attention(*given))
    )
    try:
        backbone.image_features(image)
    finally:
        hook.remove()
    found = seen[-1].mean(1)
    patches = int(found.shape[-1] ** 0.5) ** 2
    return found[:, found.shape[-1] - patches :]  # without class and register tokens


@torch.no_grad()
def of_batch(task: Any, batch: dict[str, Any]) -> dict[str, Figure]:
    """The reliability of a batch, and the attention on its first image where there is a fusion."""
    figures = {"reliability": reliability_diagram(task.predict(batch), batch["label"])}
    found = fused_attention(task.backbone, batch["image"][:1])
    if found is not None:
        figures["attention"] = attention_map(batch["image"][0], found[0])
    return figures
