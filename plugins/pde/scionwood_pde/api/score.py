"""Compare predicted states with reference states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from scionwood_pde.api.states import States, opened
from scionwood_pde.evaluation import compare
from scionwood_pde.readers.states import layout_of


def evaluate(
    predicted: States,
    reference: States,
    *,
    given: int = 1,
    fields: Sequence[str] | None = None,
    figures: str | Path | None = None,
    overwrite: bool = False,
) -> list[Mapping[str, str | float]]:
    """Compare predicted states with reference states, by field and horizon.

    Args:
        predicted: the predicted states, or their file.
        reference: the reference states of the same samples and times, or their file.
        given: number of states at the start that were not predicted.
        fields: names of the channels to compare. `None` means all channels of `predicted`.
        figures: a folder for slices, spectra, the growth of the error, and an animation. `None`
            means no figures.
        overwrite: replace an existing folder of figures.

    Returns:
        A row for each field and horizon: the errors that `evaluation.compare.errors` defines. One
        of them is `persistence`, the error of predicting no change. Rows named `enstrophy ...`
        follow for each velocity in a periodic box.

    Raises:
        ReadError: a file is damaged, or lacks a field.
        RecipeError: the two differ in samples, channels or sides, or the reference lacks a time.
        OutputExistsError: `figures` exists and `overwrite` is false.

    Example:
        >>> states = simulate(n=1, n_points=16, n_steps=2)
        >>> evaluate(states, states)[0]["vrmse"]
        0.0
    """
    mine = opened(predicted, fields)
    names = [channel.name for channel in layout_of(mine).channels]
    wanted = compare.at_times_of(mine, opened(reference, names))
    errors = compare.errors(mine, wanted, given=given)
    rows: list[Mapping[str, str | float]] = [*compare.table(errors, names)]
    rows += compare.enstrophy_rows(compare.enstrophy_errors(mine, wanted, given=given))
    if figures is not None:
        compare.draw(mine, wanted, errors, Path(figures), overwrite=overwrite)
    return rows
