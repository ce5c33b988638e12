"""Predict later states with a run: `scionwood pde rollout`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from scionwood_pde.verbs.options import RolloutOptions, States, Target
from scionwood_pde.verbs.words import numbers_of

if TYPE_CHECKING:
    import xarray as xr


def rollout(
    states: States,
    predicted: Target = None,
    options: RolloutOptions = RolloutOptions(),
    *,
    force: bool = False,
) -> xr.DataArray:
    """Predict later states from the first state of each sample, one step after another.

    The run supplies the names of the fields, their normalisation, and the time of a step. Units,
    spacing and equation of the states are compared with those of its training. A warning names what
    cannot be compared, a grid of another size, for which a calibrated run has no calibration,
    conditions far from those of the training, and a first step that is no better than persistence
    if the states hold the truth.

    Args:
        states: the file with the first states: Zarr, NetCDF, HDF5 of The Well or PDEBench; in
            Python also the states. The first time of each sample is used, or as many as the model
            of the run sees.
        predicted: the file to write; its suffix selects the format, see `simulate`. Each state is
            written as soon as it is predicted; memory then holds one state, and those that the
            model sees. In Python `None` keeps all states in memory.
        options: the run, the steps, and how the states are read.
        force: replace an existing file.

    Returns:
        The first states and the predictions, (sample, steps + 1, channel, x, y, z), in memory or
        read from the file; arrays of dask if the states are such. The attribute `run` names the run
        and the SHA-256 of its weights. Every file format keeps it.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model or the training data, the steps do not fit the
            file, the suffix is unknown, or `predicted` is the file that is read.
        AdapterFileError: the run's adapter is damaged, or was made for another base.
        OutputExistsError: the file exists and `force` is false.
        WriteError: a prediction is not finite, or the file cannot be written.

    Example:
        >>> rollout(simulate(n=1), options=RolloutOptions(steps=2)).shape
        (1, 3, 3, 32, 32, 32)
    """
    from scionwood_pde.readers.write import one_by_one, save_states, writer_for

    if predicted is not None:
        writer_for(predicted)  # a wrong suffix is refused before torch is imported
    from scionwood import find_run, load_run
    from scionwood.authoring import read_origin, weights_digest
    from scionwood_pde import inference
    from scionwood_pde.data.domain import Domain
    from scionwood_pde.data.normaliser import Normaliser
    from scionwood_pde.evaluation.horizons import Horizons
    from scionwood_pde.evaluation.skill import check_regular, no_better_than_persistence
    from scionwood_pde.readers.files import check_apart, open_states, opened
    from scionwood_pde.readers.states import layout_of

    check_apart(states, predicted)
    inference.check_device(options.device)
    folder = find_run(options.run)
    scale, domain = Normaliser.read(folder), Domain.read(folder)
    horizons = Horizons.read(folder)
    solids = domain is not None and domain.solids
    names = options.fields or (scale and scale.fields)
    array = opened(states, names, solids=solids, **options.places())
    layout = layout_of(array)
    if domain is not None:
        for difference in domain.check(layout, "the states"):
            warnings.warn(difference, stacklevel=2)
    if options.steps is None or scale is None or scale.interval is None:
        check_regular(layout, "states")
    scale = inference.normaliser_for(scale, array, options.statistics)
    if horizons is not None and horizons.sides != layout.sides:
        sides = f"{layout.sides}; the run was calibrated on {horizons.sides}"
        warnings.warn(f"no calibration for a grid of {sides}", stacklevel=2)
        horizons = None
    model = load_run(folder, options.device).backbone
    history = int(getattr(model, "history", 1))
    count = inference.steps_of(layout, scale, options.steps, history)
    conditions = numbers_of(options.conditions)
    for difference in inference.beyond_training(model, conditions):
        warnings.warn(difference, stacklevel=2)
    name = read_origin(folder) or folder.resolve().name
    attrs = {"run": f"{name}, SHA-256 {weights_digest(folder)}"}

    result = inference.rollout(
        model,
        array,
        count,
        normaliser=scale,
        conditions=conditions,
        solids=solids,
        horizons=horizons,
        device=options.device,
    ).assign_attrs(attrs)
    if predicted is not None:
        save_states(result, predicted, overwrite=force)
        result = open_states(predicted, solids=solids)
    elif array.chunks:
        return result
    else:
        with one_by_one():
            result = result.compute()
    worse = no_better_than_persistence(result[:, history - 1 :], array)
    if worse:
        warnings.warn(worse, stacklevel=2)
    return result.assign_attrs(attrs)
