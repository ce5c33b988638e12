"""Compare predicted states with reference states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from scionwood_pde.api.states import States, opened
from scionwood_pde.evaluation import compare, skill
from scionwood_pde.readers.states import layout_of


def evaluate(
    predicted: States,
    reference: States,
    *,
    training: States | Sequence[States] = (),
    given: int = 1,
    fields: Sequence[str] | None = None,
    solids: bool = False,
    dims: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
    figures: str | Path | None = None,
    overwrite: bool = False,
) -> list[Mapping[str, str | float]]:
    """Compare predicted states with reference states, by field and horizon.

    Args:
        predicted: the predicted states, or their file.
        reference: the reference states of the same samples and times, or their file.
        training: the states on which the run was trained, or their files. Linear filters are fitted
            on them, and the skill is measured against the best of these.
        given: number of states at the start that were not predicted: those that the model sees.
        fields: names of the channels to compare. `None` means all channels of `predicted`.
        solids: NaN in a file marks solid points, which do not count.
        dims: the dimension of a reference or a training file for `sample`, `time`, `x`, `y` or `z`.
        rename: new names of channels by their names in these files.
        figures: a folder for slices, spectra, the growth of the error, and an animation. `None`
            means no figures.
        overwrite: replace an existing folder of figures.

    Returns:
        A row for each field and horizon: the errors that `evaluation.compare.errors` defines. One
        of them is `persistence`, the error of predicting no change. With `training`, those of the
        linear filters of `evaluation.filters` follow, and `skill`: one minus the error over the
        smallest of theirs. Rows named `enstrophy ...` follow for each velocity in a periodic box.

    Raises:
        ReadError: a file is damaged, or lacks a field.
        RecipeError: the two differ in samples, channels or sides, the reference lacks a time,
            steps in time are not equal, or the training states do not fit the predicted ones.
        OutputExistsError: `figures` exists and `overwrite` is false.

    Example:
        >>> states = simulate(n=2, n_points=16, n_steps=2)
        >>> row = evaluate(states[:1], states[:1], training=states[1:])[0]
        >>> row["vrmse"], row["skill"]
        (0.0, 1.0)
    """
    mine = opened(predicted, fields, solids=solids)
    layout = layout_of(mine)
    skill.check_regular(layout, "predicted states")
    names = [channel.name for channel in layout.channels]
    placing: dict[str, Any] = {"solids": solids, "dims": dims, "rename": rename}
    wanted = compare.at_times_of(mine, opened(reference, names, **placing))
    errors = compare.errors(mine, wanted, given=given)
    files = [training] if isinstance(training, str | Path | xr.DataArray | xr.Dataset) else training
    if files:
        known = [opened(each, names, **placing) for each in files]
        errors |= skill.filter_errors(skill.filters_of(known, wanted), wanted, given=given)
    rows: list[Mapping[str, str | float]] = [*skill.with_skill(compare.table(errors, names))]
    rows += compare.enstrophy_rows(compare.enstrophy_errors(mine, wanted, given=given))
    if figures is not None:
        compare.draw(mine, wanted, errors, Path(figures), overwrite=overwrite)
    return rows
