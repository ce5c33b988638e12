"""Figures: reliability, accuracy over shots, and attention maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from scionwood.authoring import figure_style
from scionwood_biomed.adapters.dual_anchor.layers import PromptLayer
from scionwood_biomed.evaluation.metrics import calibration_error, reliability
from scionwood_biomed.evaluation.scores import over_seeds

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""Safe for colour-blind readers (Okabe and Ito)."""


@figure_style()
def reliability_diagram(probabilities: Tensor, label: Tensor) -> Figure:
    """Draw accuracy over confidence, and the number of predictions in each bin.

    Args:
        probabilities: (image, class).
        label: (image,) int64.
    """
    binned = reliability(probabilities, label)
    edges = np.linspace(0, 1, len(binned.images) + 1)
    figure = Figure(figsize=(4.2, 4.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.bar(edges[:-1], binned.accuracy.nan_to_num(0).numpy(), 1 / len(edges[:-1]), align="edge",
              color=COLOURS[5], edgecolor="white")  # fmt: skip
    above.plot([0, 1], [0, 1], color="0.4", linestyle="--", label="calibrated")
    above.set(ylabel="accuracy", ylim=(0, 1), xlim=(0, 1))
    above.set_title(f"expected calibration error {calibration_error(probabilities, label):.3f}")
    above.legend()
    below.bar(edges[:-1], binned.images.numpy(), 1 / len(edges[:-1]), align="edge", color="0.6",
              edgecolor="white")  # fmt: skip
    below.set(xlabel="confidence", ylabel="images")
    return figure


@figure_style()
def over_shots(results: Mapping[str, Mapping[int, Sequence[float]]]) -> Figure:
    """Draw accuracy over shots, with the mean and the standard deviation over seeds.

    Args:
        results: accuracies by method and K, one per seed.
    """
    figure = Figure(figsize=(5.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for at, (method, by_shots) in enumerate(results.items()):
        shots = sorted(by_shots)
        means, spread = np.array([over_seeds(by_shots[k]) for k in shots]).T
        colour, line = COLOURS[at % len(COLOURS)], "--" if at >= len(COLOURS) else "-"
        name = method.replace("_", " ")
        axes.plot(shots, means, line, color=colour, marker="o", markersize=4, label=name)
        axes.fill_between(shots, means - spread, means + spread, color=colour, alpha=0.15)
    axes.set_xscale("log", base=2)
    ticks = sorted({k for by_shots in results.values() for k in by_shots})
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.set(xlabel="shots per class", ylabel="accuracy")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


@figure_style()
def attention_map(image: Tensor, weights: Tensor) -> Figure:
    """Draw an image beside the attention of the text context to its patches.

    Args:
        image: (3, row, column), 0 to 1.
        weights: (patch,), attention to a square grid of patches in row-major order.
    """
    side = round(len(weights) ** 0.5)
    rows, columns = image.shape[-2:]
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    plain, overlaid = figure.subplots(1, 2)
    picture = image.permute(1, 2, 0).cpu().numpy()
    extent = (0, columns, rows, 0)
    for axes in (plain, overlaid):
        axes.imshow(picture, extent=extent)
        axes.set_axis_off()
    heat_map = overlaid.imshow(
        weights.reshape(side, side).cpu().numpy(), cmap="magma", alpha=0.5, extent=extent
    )
    overlaid.set_title("attention of the text context", fontsize=9)
    figure.colorbar(heat_map, ax=overlaid, shrink=0.8, label="weight of attention")
    return figure


@torch.no_grad()
def fused_attention(backbone: Any, image: Tensor) -> Tensor | None:
    """Return the attention of the text context to image patches in the last fusion.

    Args:
        backbone: the model with a dual-anchor adapter.
        image: (batch, 3, size, size), 0 to 1.

    Returns:
        (batch, patch), or `None` if the model does not fuse images with a text.
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
    attention_maps: list[Tensor] = []
    hook = fusions[-1].register_forward_hook(
        lambda fusion, arguments, _: attention_maps.append(fusion.attention(*arguments))
    )
    try:
        backbone.image_features(image)
    finally:
        hook.remove()
    attention = attention_maps[-1].mean(1)
    patches = int(attention.shape[-1] ** 0.5) ** 2
    return attention[:, attention.shape[-1] - patches :]  # without class and register tokens


@torch.no_grad()
def of_batch(task: Any, batch: dict[str, Any]) -> dict[str, Figure]:
    """Draw the reliability of a batch, and the attention on its first image if there is a fusion.

    Args:
        task: the task `biomed/few_shot`.
        batch: `image`, `label` and `classes`; see `FewShot`.
    """
    figures = {"reliability": reliability_diagram(task.predict(batch), batch["label"])}
    attention = fused_attention(task.backbone, batch["image"][:1])
    if attention is not None:
        figures["attention"] = attention_map(batch["image"][0], attention[0])
    return figures
