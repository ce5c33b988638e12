"""The command `scionwood methods diagnose RUN`: how much an adapter may make a model forget."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood import AdapterError, OutputExistsError, atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scionwood_methods.diagnosis.meanfield import HeadShift, LayerDrift

HEAD = ("layer", "gap", "a", "|b|", "|E|", "margin", "heads < 0", "|dV|/sqrt(L)", "drift", "W2")
NOTE = "A diagnostic, never a guarantee: the theory assumes tied, symmetric maps and no MLPs."


def diagnose(run: Path, *, figure: Path | None = None, force: bool = False) -> None:
    """Print and draw mean-field quantities of forgetting for each attention layer of a run.

    Columns: the smallest margin of the layer's heads with its parts (positive where clusters of
    tokens should persist), how many heads have none, the largest change of a head's value-output
    map over the square root of the depth L (forgetting was seen to set in where it nears 1), and
    how far the tokens of the backbone's example input move: 1 - cosine of their mean, and the
    sliced 2-Wasserstein distance on the sphere. A diagnostic, never a guarantee.

    Args:
        run: the run folder that `scionwood fit` wrote.
        figure: the image to write; figures/forgetting.png in the run folder by default.
        force: replace a figure that exists.

    Raises:
        TrainingError: the folder is no finished run.
        AdapterError: the run has no adapter, no attention of a known kind, or no map to compare.
        OutputExistsError: the figure exists and `force` is false.

    Source: arXiv 2402.15415v2, propositions 3.3 and 4.2, as read in notes of it.
    """
    from peft import PeftModel

    from scionwood import load_run
    from scionwood_methods.diagnosis import meanfield

    target = Path(figure) if figure else Path(run) / "figures" / "forgetting.png"
    if target.exists() and not force:
        raise OutputExistsError(str(target), "it exists already", "Say --force to replace it")
    model = load_run(Path(run)).backbone
    if not isinstance(model, PeftModel):
        raise AdapterError(f"run {run}", "it has no adapter", "Train one: scionwood fit")
    layers = meanfield.attentions(model)
    shifts = [meanfield.head_shifts(layer) for layer in layers]
    drifts = meanfield.drift_by_depth(model, model.get_base_model().example_input())
    rows = table(shifts, drifts)
    for line in rows:
        print("".join(f"{cell:>13}" for cell in line))
    print(NOTE)
    with atomic_path(target, overwrite=force) as part:
        draw(shifts, drifts).savefig(part, dpi=120)
    print(target)


def table(
    shifts: Sequence[Sequence[HeadShift]], drifts: Sequence[LayerDrift]
) -> list[tuple[str, ...]]:
    """The heading, then one line a layer.

    Args:
        shifts: of the heads of each layer.
        drifts: of each layer.
    """
    lines: list[tuple[str, ...]] = [HEAD]
    for number, (heads, drift) in enumerate(zip(shifts, drifts, strict=True)):
        worst = min(heads, key=lambda head: head.margin)
        numbers = (worst.gap, worst.a, worst.b, worst.e, worst.margin)
        lines.append(
            (
                str(number),
                *(f"{value:.3g}" for value in numbers),
                f"{sum(head.margin < 0 for head in heads)} of {len(heads)}",
                f"{_size(heads, len(shifts)):.3g}",
                f"{drift.direction:.3g}",
                f"{drift.wasserstein:.3g}",
            )
        )
    return lines


def draw(shifts: Sequence[Sequence[HeadShift]], drifts: Sequence[LayerDrift]) -> Figure:
    """Margins of all heads, the change over sqrt(L), and the drift, each over the depth."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    margin, size, drift = figure.subplots(1, 3)
    for number, heads in enumerate(shifts):
        margin.plot([number] * len(heads), [head.margin for head in heads], "o", color="#0072B2")
    margin.axhline(0, color="0.5", linewidth=1)
    margin.set(ylabel="margin of each head", xlabel="layer")
    size.plot([_size(heads, len(shifts)) for heads in shifts], "o-", color="#D55E00")
    size.set(ylabel="largest |dV| / sqrt(L)", xlabel="layer")
    drift.plot([each.direction for each in drifts], "o-", label="1 - cosine of mean tokens")
    drift.plot([each.wasserstein for each in drifts], "s--", label="sliced W2")
    drift.set(ylabel="drift of the tokens", xlabel="layer")
    drift.legend(fontsize="small")
    figure.suptitle(NOTE, fontsize="small")
    return figure


def _size(heads: Sequence[HeadShift], depth: int) -> float:
    return max(head.size for head in heads) / sqrt(depth)
