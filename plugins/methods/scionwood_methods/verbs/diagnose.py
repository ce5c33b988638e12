"""How much an adapter may make a model forget: `scionwood methods diagnose`."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood import OutputExistsError, RecipeError, find_run
from scionwood.authoring import (
    RunPath,
    atomic_path,
    figure_style,
    print_table,
    prints,
    read_origin,
    writing,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scionwood_methods.diagnosis.meanfield import Diagnosis, HeadShift

COLUMNS = ("layer", "gap", "a", "|b|", "|E|", "margin", "heads < 0", "|dV|/sqrt(L)", "drift", "W2")
NOTE = "A diagnostic, not a guarantee: the theory assumes tied, symmetric maps and no MLPs."
FIGURE = "forgetting.png"


def _print_diagnosis(
    diagnosis: Diagnosis, *, run: RunPath, figures: Path | None = None, json: bool = False
) -> None:
    """Print a diagnosis.

    Args:
        diagnosis: the quantities of each block.
        run: the run.
        figures: the folder of the figure.
        json: print JSON.
    """
    rows = table(diagnosis)
    if json:
        from json import dumps

        print(dumps([dict(zip(COLUMNS, row, strict=True)) for row in rows], indent=2))
        return
    print_table(COLUMNS, rows, numeric=COLUMNS)
    print(NOTE)
    print(_target(run, figures))


@prints(_print_diagnosis)
def diagnose(run: RunPath, *, figures: Path | None = None, force: bool = False) -> Diagnosis:
    """Print and draw mean-field quantities of forgetting for each attention block of a run.

    The columns show the smallest margin of the heads of a block with its parts. A positive margin
    means that clusters of tokens should persist. The next columns show how many heads have a
    negative margin, and the largest change of a head's value-output map divided by the square root
    of the depth L; forgetting was observed where this ratio approaches 1. The last columns show how
    far the tokens of the backbone's example input move: 1 - cosine of their mean, and the sliced
    2-Wasserstein distance on the sphere. This is a diagnostic, not a guarantee.

    Args:
        run: the run, as a folder or by another reference.
        figures: the folder of the figure `forgetting.png`, or the name of a PNG file; the folder
            `figures` of the run by default. A shipped or pulled run needs this option.
        force: replace a figure that exists.

    Returns:
        The shifts of all heads and the drift of the tokens; a diagnostic, not a guarantee.

    Raises:
        TrainingError: the folder is not a finished run.
        AdapterError: the run has no adapter, no attention of a known kind, or no map to compare.
        RecipeError: `figures` is not given, and the run was shipped or pulled.
        OutputExistsError: the figure exists and `force` is false.

    Source: arXiv 2402.15415v2, propositions 3.3 and 4.2, as read in notes of it.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_methods import diagnose
        >>> diagnosis = diagnose("seismic/denoise", figures=Path("figures"))
        >>> worst = min(head.margin for block in diagnosis.shifts for head in block)
    """
    from scionwood_methods.diagnosis.run import diagnose_run

    target = _target(run, figures)
    if target.exists() and not force:
        raise OutputExistsError(str(target), "it exists already", "Add --force to replace it")
    diagnosis = diagnose_run(run)
    with writing(target), atomic_path(target, overwrite=force) as part:
        draw(diagnosis).savefig(part, dpi=120)
    return diagnosis


def _target(run: str | Path, figures: Path | None) -> Path:
    if figures is None:
        folder = find_run(run)
        if read_origin(folder):
            rule = "a shipped or pulled run is not changed"
            remedy = "Name a folder: --figures FOLDER"
            raise RecipeError("diagnose without --figures", rule, remedy)
        figures = folder / "figures"
    return figures if figures.suffix.lower() == ".png" else figures / FIGURE


def table(diagnosis: Diagnosis) -> list[tuple[str, ...]]:
    """Return one row of texts for each attention block, with the columns `COLUMNS`."""
    shifts, drifts = diagnosis
    rows: list[tuple[str, ...]] = []
    for number, (heads, drift) in enumerate(zip(shifts, drifts, strict=True)):
        worst = min(heads, key=lambda head: head.margin)
        numbers = (worst.gap, worst.a, worst.b, worst.e, worst.margin)
        rows.append(
            (
                str(number),
                *(f"{value:.3g}" for value in numbers),
                f"{sum(head.margin < 0 for head in heads)} of {len(heads)}",
                f"{_size(heads, len(shifts)):.3g}",
                f"{drift.direction:.3g}",
                f"{drift.wasserstein:.3g}",
            )
        )
    return rows


@figure_style()
def draw(diagnosis: Diagnosis) -> Figure:
    """Draw the margins of all heads, the change over sqrt(L), and the drift, over the depth."""
    from matplotlib.figure import Figure

    shifts, drifts = diagnosis
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    margin, size, drift = figure.subplots(1, 3)
    for number, heads in enumerate(shifts):
        margin.plot([number] * len(heads), [head.margin for head in heads], "o", color="#0072B2")
    margin.axhline(0, color="0.5", linewidth=1)
    margin.set(ylabel="margin of each head", xlabel="layer")
    size.plot([_size(heads, len(shifts)) for heads in shifts], "o-", color="#D55E00")
    size.set(ylabel="largest |dV| / sqrt(L)", xlabel="layer")
    drift.plot(
        [layer_drift.direction for layer_drift in drifts], "o-", label="1 - cosine of mean tokens"
    )
    drift.plot([layer_drift.wasserstein for layer_drift in drifts], "s--", label="sliced W2")
    drift.set(ylabel="drift of the tokens (no unit)", xlabel="layer")
    drift.legend(fontsize="small")
    figure.suptitle(NOTE, fontsize="small")
    return figure


def _size(heads: list[HeadShift], depth: int) -> float:
    return max(head.size for head in heads) / sqrt(depth)
