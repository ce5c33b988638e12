"""Predict later states with a run."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr
from numpy.typing import ArrayLike

from scionwood import find_run, load_run
from scionwood.authoring import read_origin, weights_digest
from scionwood_pde import inference
from scionwood_pde.api.states import States, check_apart, check_device, opened, stored
from scionwood_pde.data.domain import Domain
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.evaluation.skill import check_regular, no_better_than_persistence
from scionwood_pde.readers.regions import Put
from scionwood_pde.readers.states import layout_of


def rollout(
    states: States,
    *,
    run: str | Path = "pde/burgers",
    statistics: str | Path | None = None,
    steps: int | None = None,
    fields: Sequence[str] | None = None,
    dims: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
    conditions: Mapping[str, ArrayLike] | None = None,
    target: str | Path | None = None,
    device: str = "cpu",
    overwrite: bool = False,
) -> xr.DataArray:
    """Predict later states from the first state of each sample, one step after another.

    The run supplies the names of the fields, their normalisation, and the time of a step. Units,
    spacing and equation of the states are compared with those of its training. A warning names what
    cannot be compared, a grid of another size, conditions far from those of the training, and a
    first step that is no better than persistence if the states hold the truth.

    Args:
        states: the states, or their file. The first time of each sample is used, or as many as
            the model of the run sees.
        run: a run of `pde/dynamics`, as a folder or by another reference; see `find_run`. The
            default run is shipped, and it knows Burgers' equation only.
        statistics: a cache whose means and standard deviations replace those of the run.
        steps: number of steps. `None` means as many as `states` has after its first time.
        fields: names of the channels, in the order of the training. `None` means those of the run.
        dims: the dimension of a file for `sample`, `time`, `x`, `y` or `z`; see `open_states`.
        rename: new names of channels by their names in the file.
        conditions: numbers that the model needs by name, such as `viscosity`, one or one of each
            sample, in the units of the training; `dt` is known.
        target: a file into which each state is written as soon as it is predicted; see
            `write_states`. Memory then holds one state, and those that the model sees. `None`
            means that all states are kept in memory.
        device: where to compute, such as `cpu` or `cuda`.
        overwrite: replace an existing `target`.

    Returns:
        The first states and the predictions, (sample, steps + 1, channel, x, y, z), in memory or
        read from `target`. The attribute `run` names the run and the SHA-256 of its weights. Every
        file format keeps it.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model or the training data, or the steps do not fit
            the file, or the suffix of `target` is unknown, or it is the file that is read.
        AdapterFileError: the run's adapter is damaged, or was made for another base.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: a prediction is not finite, or the target cannot be written.

    Example:
        >>> predicted = rollout(simulate(n=1), steps=2)
        >>> predicted.shape
        (1, 3, 3, 32, 32, 32)
    """
    check_apart(states, target)
    check_device(device)
    folder = find_run(run)
    kept, domain = Normaliser.read(folder), Domain.read(folder)
    solids = domain is not None and domain.solids
    names = fields or (kept and kept.fields)
    given = opened(states, names, solids=solids, dims=dims, rename=rename)
    layout = layout_of(given)
    if domain is not None:
        for difference in domain.check(layout, "the states"):
            warnings.warn(difference, stacklevel=2)
    if steps is None or kept is None or kept.interval is None:
        check_regular(layout, "states")
    scale = inference.normaliser_for(kept, given, statistics)
    step = load_run(folder, device).backbone
    history = int(getattr(step, "history", 1))
    count = inference.steps_of(layout, scale, steps, history)
    for difference in inference.beyond_training(step, conditions or {}):
        warnings.warn(difference, stacklevel=2)
    name = read_origin(folder) or folder.resolve().name
    made = {"run": f"{name}, SHA-256 {weights_digest(folder)}"}

    def predict(put: Put | None) -> xr.DataArray | None:
        return inference.rollout(
            step,
            given,
            count,
            normaliser=scale,
            conditions=conditions,
            solids=solids,
            put=put,
            device=device,
        )

    after = inference.predicted_layout(layout, count, scale, history)
    predicted = stored(predict, target, after, made, overwrite=overwrite, solids=solids)
    worse = no_better_than_persistence(predicted[:, history - 1 :], given)
    if worse:
        warnings.warn(worse, stacklevel=2)
    return predicted.assign_attrs(made)
