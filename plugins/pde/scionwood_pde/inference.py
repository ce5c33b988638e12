"""Apply a model to states: encode and decode them, and predict later states from a first one.

Models see fields with about zero mean and unit variance. Latents are normalised by the mean and the
standard deviation of each state, as in the online training, or by those of the run. A rollout uses
those of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
import zarr
from torch import Tensor

from scionwood import RecipeError, WriteError, atomic_folder, reading, writing
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.readers.cache import Cache
from scionwood_pde.readers.card import from_card, to_card
from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.states import labelled, layout_of

CLOSE = 1e-3
"""Largest relative difference between the times of a file and the steps of a run."""

_FORMAT = "latents"


@torch.no_grad()
def encode(
    model: Any,
    states: xr.DataArray,
    target: str | Path,
    *,
    normaliser: Normaliser | None = None,
    device: str = "cpu",
    overwrite: bool = False,
) -> None:
    """Encode states, and write the means of their latents as Zarr v3.

    The store holds `latents` (sample, time, latent, i, j, k), and the `mean` and `deviation` that
    normalised the states, (sample, time, channel). Its attributes describe states and model.

    Args:
        model: a model with `encode` and a `card`, such as Tadpole.
        states: states as `readers.states` defines them, in three dimensions.
        target: the folder to write.
        normaliser: the normaliser of the fields. `None` means the mean and deviation of each state.
        device: where to compute.
        overwrite: replace an existing folder.

    Raises:
        RecipeError: the sides do not fit the model.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the disk is full.
    """
    layout = layout_of(states)
    model = model.to(device).eval()
    with writing(target), atomic_folder(target, overwrite=overwrite) as folder:
        group = zarr.open_group(folder, mode="w", zarr_format=3)
        group.attrs.update(states=to_card(layout), model=dict(model.card))
        shape = (layout.samples, len(layout.times))
        numbers = (*shape, len(layout.channels))
        moments = [
            group.create_array(name, shape=numbers, dtype=np.float32)
            for name in ("mean", "deviation")
        ]
        latents: Any = None
        for sample, time in np.ndindex(shape):
            state = _tensor(states[sample, time], device)
            scale = normaliser or _of_states(states[sample, time : time + 1])
            z = fitting(lambda x: model.encode(x).mean, scale.apply(state))
            if latents is None:
                latents = group.create_array(
                    "latents",
                    shape=(*shape, *z.shape[1:]),
                    chunks=(1, 1, *z.shape[1:]),
                    dtype=np.float32,
                )
            latents[sample, time] = z[0].cpu().numpy()
            for array, values in zip(moments, (scale.mean, scale.std), strict=True):
                array[sample, time] = np.asarray(values, np.float32)


@torch.no_grad()
def decode(model: Any, source: str | Path, *, device: str = "cpu") -> xr.DataArray:
    """Decode the latents that `encode` wrote.

    Args:
        model: the model that encoded them, with `decode` and a `card`.
        source: the folder.
        device: where to compute.

    Returns:
        The states, in memory.

    Raises:
        ReadError: the folder holds no latents, or is damaged.
        RecipeError: another model encoded the latents.
    """
    with reading(source, _FORMAT):
        group: Any = zarr.open_group(source, mode="r")
        layout = from_card(group.attrs["states"])
        made = dict(group.attrs["model"])
        arrays = {name: group[name] for name in ("latents", "mean", "deviation")}
    _check_model(source, made, dict(model.card))
    model = model.to(device).eval()
    shape = (layout.samples, len(layout.times))
    states = np.empty((*shape, len(layout.channels), *layout.sides), layout.dtype)
    for sample, time in np.ndindex(shape):
        with reading(source, _FORMAT):
            z, mean, deviation = (
                torch.from_numpy(np.asarray(array[sample, time])).to(device)
                for array in arrays.values()
            )
        state = model.decode(z[None], layout.sides)[0]
        state = state * deviation[:, None, None, None] + mean[:, None, None, None]
        states[sample, time] = state.cpu().numpy()
    return labelled(states, layout)


@torch.no_grad()
def rollout(
    step: Callable[[Tensor], Tensor],
    states: xr.DataArray,
    n_steps: int,
    *,
    normaliser: Normaliser,
    solids: bool = False,
    device: str = "cpu",
) -> xr.DataArray:
    """Predict states one after another, each from the previous one.

    Args:
        step: a function from a normalised state, (1, channel, *space), to the next one.
        states: states whose first time is the start for each sample.
        n_steps: number of steps to predict.
        normaliser: the normaliser of the fields. Its interval is the time of a step; without one,
            the time between `states` is.
        solids: NaN in a first state marks solid points, which stay NaN; the model sees the mean of
            the field there.
        device: where to compute.

    Returns:
        The starts and the predictions, in memory.

    Raises:
        RecipeError: the sides do not fit the model, the time of a step is unknown, or a first state
            holds NaN and `solids` is false.
        WriteError: a prediction is not finite.
    """
    layout = layout_of(states)
    times = _times(layout, n_steps, normaliser.interval)
    shape = (layout.samples, n_steps + 1, len(layout.channels), *layout.sides)
    predicted = np.empty(shape, layout.dtype)
    for sample in range(layout.samples):
        predicted[sample, 0] = states[sample, 0].values
        state = normaliser.apply(_tensor(states[sample, 0], device))
        solid = state.isnan()
        if not solids and bool(solid.any()):
            rule = "it holds NaN, and the run was not trained with solid points"
            raise RecipeError(f"sample {sample}", rule, "Train with `solids`, or fill it")
        state = state.masked_fill(solid, 0)
        for time in range(1, n_steps + 1):
            state = fitting(step, state).masked_fill(solid, 0)
            if not bool(state.isfinite().all()):
                rule = f"step {time} of sample {sample} is not finite"
                raise WriteError("rollout", rule, "Take fewer steps, or train longer")
            shown = normaliser.undo(state).masked_fill(solid, torch.nan)
            predicted[sample, time] = shown[0].cpu().numpy()
    return labelled(predicted, replace(layout, times=times))


def normaliser_for(
    kept: Normaliser | None, states: xr.DataArray, statistics: str | Path | None = None
) -> Normaliser:
    """Return the normaliser with which a run is applied to states.

    Args:
        kept: the normaliser of the run. `None` means that of the first states of all samples.
        states: states as `readers.states` defines them.
        statistics: a cache whose means and standard deviations replace those of `kept`.

    Raises:
        RecipeError: the run was not trained on one of the fields.
        ReadError: the cache is damaged, or lacks one of the fields.
    """
    names = [str(name) for name in states.coords["channel"].values]
    own = _of_states(states[:, 0]) if kept is None else kept.of_fields(names)
    if statistics is None:
        return own
    cache = Cache(Path(statistics), fields=names)
    other = Normaliser.chosen(names, [cache.statistics[name] for name in names])
    return replace(other, interval=own.interval, time_unit=own.time_unit)


def steps_of(layout: Layout, normaliser: Normaliser, steps: int | None) -> int:
    """Return the number of steps to predict.

    Args:
        layout: layout of the file with the first states.
        normaliser: normaliser of the run, with the time of a step if it is known.
        steps: the number that was requested. `None` means as many as the file has after its first
            time.

    Raises:
        RecipeError: the number is not positive, or the times of the file do not fit the steps of
            the run.
    """
    every, own = 1.0, float(np.diff(layout.times[:2]).sum())
    if normaliser.interval is not None and own and steps is None:
        every = normaliser.interval / own
        if every < 0.5 or abs(every - round(every)) > CLOSE * every:
            value = f"times {own:g} {layout.units['time']} apart"
            rule = f"the run steps by {normaliser.interval:g} {normaliser.time_unit}"
            raise RecipeError(value, rule, "Set --steps, or simulate such times")
    count = (len(layout.times) - 1) // round(every) if steps is None else steps
    if count < 1:
        raise RecipeError(f"{count} steps", "a rollout has one or more", "Set --steps")
    return count


def fitting(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Call a model on a state, and turn its `ValueError` about the shape into a `RecipeError`.

    Raises:
        RecipeError: the state does not fit the model.
    """
    try:
        return function(x)
    except ValueError as error:
        raise RecipeError(f"a state of shape {tuple(x.shape[1:])}", str(error)) from error


def _tensor(state: xr.DataArray, device: str) -> Tensor:
    values = np.ascontiguousarray(state.values, dtype=np.float32)
    return torch.from_numpy(values)[None].to(device)


def _of_states(states: xr.DataArray) -> Normaliser:
    """Return the normaliser of states (any, channel, *space)."""
    names = [str(name) for name in states.coords["channel"].values]
    return Normaliser.of(names, (state.values for state in states))


def _times(layout: Layout, n_steps: int, interval: float | None) -> np.ndarray:
    """Return the times of the start and the predictions, continued evenly beyond the file."""
    if interval is None and len(layout.times) < 2:
        rule = "neither the file nor the run has the time of a step"
        raise RecipeError(f"{n_steps} steps", rule, "Use a file with two times or more")
    if interval is not None:
        times: np.ndarray = layout.times[0] + interval * np.arange(n_steps + 1)
        return times
    known = layout.times[: n_steps + 1]
    more = np.arange(1, n_steps + 2 - len(known)) * (layout.times[-1] - layout.times[-2])
    return np.concatenate([known, known[-1] + more])


def _check_model(source: str | Path, made: dict[str, Any], own: dict[str, Any]) -> None:
    """Check that the card of the model equals the card stored with the latents."""
    differs = sorted(key for key in made.keys() | own.keys() if made.get(key) != own.get(key))
    if differs:
        pairs = ", ".join(f"{key}: {made.get(key)} here, {own.get(key)} now" for key in differs)
        rule = f"its latents were encoded by another model ({pairs})"
        raise RecipeError(str(source), rule, "Use the run or the options of `encode`")
