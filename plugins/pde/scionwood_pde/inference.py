"""Apply a model to files of states: to latents and back, and from a first state to later ones.

Models see fields of about zero mean and unit variance. For latents, mean and standard deviation
are those of each state, as in the online training; a rollout takes those of its training data.
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

from scionwood import RecipeError, WriteError
from scionwood_pde.cache import Cache
from scionwood_pde.readers.base import reading, writing
from scionwood_pde.readers.card import from_card, to_card
from scionwood_pde.readers.folders import atomic_folder
from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.states import labelled, layout_of

SMALLEST = 1e-6
"""Of a standard deviation over the mean square: below it a field is constant."""

_FORMAT = "latents"


@torch.no_grad()
def encode(
    model: Any, states: xr.DataArray, target: Path, *, device: str = "cpu", overwrite: bool = False
) -> None:
    """Write the means of the latents of states, as Zarr v3.

    The store holds `latents` (sample, time, latent, i, j, k), `mean` and `deviation` (sample, time,
    channel) of what was encoded, and in its attributes what that was and by which model.

    Args:
        model: with `encode` and a `card`, such as Tadpole.
        states: as `readers.states` defines them, in three dimensions.
        target: the folder to write.
        device: where to compute.
        overwrite: replace what is there.

    Raises:
        RecipeError: the sides do not fit the model.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the disk is full.
    """
    layout = layout_of(states)
    model = model.to(device).eval()
    with writing(target), atomic_folder(Path(target), overwrite=overwrite) as folder:
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
            mean, deviation = moments_of(state)
            z = fitting(lambda x: model.encode(x).mean, (state - mean) / deviation)
            if latents is None:
                latents = group.create_array(
                    "latents",
                    shape=(*shape, *z.shape[1:]),
                    chunks=(1, 1, *z.shape[1:]),
                    dtype=np.float32,
                )
            latents[sample, time] = z[0].cpu().numpy()
            for array, values in zip(moments, (mean, deviation), strict=True):
                array[sample, time] = values.flatten().cpu().numpy()


@torch.no_grad()
def decode(model: Any, source: Path, *, device: str = "cpu") -> xr.DataArray:
    """States from latents that `encode` wrote.

    Args:
        model: the one that encoded, with `decode` and a `card`.
        source: the folder.
        device: where to compute.

    Returns:
        The states, in memory.

    Raises:
        ReadError: the folder holds no latents, or is damaged.
        RecipeError: another model encoded them.
    """
    with reading(source, _FORMAT):
        group: Any = zarr.open_group(source, mode="r")
        layout = from_card(group.attrs["states"])
        made = dict(group.attrs["model"])
        arrays = {name: group[name] for name in ("latents", "mean", "deviation")}
    _check_model(source, made, dict(model.card))
    model = model.to(device).eval()
    shape = (layout.samples, len(layout.times))
    found = np.empty((*shape, len(layout.channels), *layout.sides), layout.dtype)
    for sample, time in np.ndindex(shape):
        with reading(source, _FORMAT):
            z, mean, deviation = (
                torch.from_numpy(np.asarray(array[sample, time])).to(device)
                for array in arrays.values()
            )
        state = model.decode(z[None], layout.sides)[0]
        state = state * deviation[:, None, None, None] + mean[:, None, None, None]
        found[sample, time] = state.cpu().numpy()
    return labelled(found, layout)


@torch.no_grad()
def rollout(
    step: Callable[[Tensor], Tensor],
    states: xr.DataArray,
    n_steps: int,
    *,
    moments: tuple[Tensor, Tensor],
    device: str = "cpu",
) -> xr.DataArray:
    """Predict states one after another, each from the one before.

    Args:
        step: (1, channel, *space), normalised, to the next state.
        states: the first state of each sample is the start.
        n_steps: how many to predict.
        moments: mean and standard deviation that normalise each field, (1, channel, 1, ...).
        device: where to compute.

    Returns:
        The start and the predictions, in memory; times beyond those of `states` go on evenly.

    Raises:
        RecipeError: the sides do not fit the model, or the step in time is unknown.
        WriteError: a prediction is not finite.
    """
    layout = layout_of(states)
    times = _times(layout, n_steps)
    shape = (layout.samples, n_steps + 1, len(layout.channels), *layout.sides)
    mean, deviation = (each.to(device) for each in moments)
    found = np.empty(shape, layout.dtype)
    for sample in range(layout.samples):
        found[sample, 0] = states[sample, 0].values
        state = (_tensor(states[sample, 0], device) - mean) / deviation
        for time in range(1, n_steps + 1):
            state = fitting(step, state)
            if not bool(state.isfinite().all()):
                rule = f"step {time} of sample {sample} is not finite"
                raise WriteError("rollout", rule, "Take fewer steps, or train longer")
            found[sample, time] = (state * deviation + mean)[0].cpu().numpy()
    return labelled(found, replace(layout, times=times))


def first_moments(states: xr.DataArray) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each field over the first states of all samples.

    Args:
        states: as `readers.states` defines them.

    Returns:
        Both (1, channel, 1, ...).
    """
    first = [_tensor(states[sample, 0], "cpu") for sample in range(states.sizes["sample"])]
    return moments_of(torch.cat(first, dim=2))  # samples side by side along x


def cached_moments(cache: Cache, states: xr.DataArray) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the fields of a cache, in the order of states.

    Args:
        cache: of the data that a model was trained on.
        states: whose channels are looked up.

    Returns:
        Both (1, channel, 1, ...).

    Raises:
        ReadError: the cache has no such field.
    """
    names = [str(name) for name in states.coords["channel"].values]
    chosen = cache.layout.selected(cache.folder, names).channels
    values = [[getattr(cache.statistics[c.name], key) for c in chosen] for key in ("mean", "std")]
    mean, deviation = torch.tensor(values).reshape(2, 1, len(names), *[1] * (states.ndim - 3))
    return mean, deviation


def moments_of(state: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over space; the latter is 1 of a constant field.

    Args:
        state: (1, channel, *space).

    Returns:
        Both (1, channel, 1, ...).
    """
    space = tuple(range(2, state.ndim))
    mean, deviation = state.mean(space, keepdim=True), state.std(space, keepdim=True)
    size = state.square().mean(space, keepdim=True).sqrt()
    constant = deviation <= SMALLEST * size
    return mean, torch.where(constant, torch.ones_like(deviation), deviation)


def fitting(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Call a model on a state; what it says of the state's shape is the user's to correct.

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


def _times(layout: Layout, n_steps: int) -> np.ndarray:
    known = layout.times[: n_steps + 1]
    missing = n_steps + 1 - len(known)
    if missing and len(known) < 2:
        rule = "a file of one time does not say how far the next one is"
        raise RecipeError(f"{n_steps} steps", rule, "Give a file of two times or more")
    more = known[-1] + np.arange(1, missing + 1) * (known[-1] - known[-2]) if missing else known[:0]
    return np.concatenate([known, more])


def _check_model(source: Path, made: dict[str, Any], own: dict[str, Any]) -> None:
    differs = sorted(key for key in made.keys() | own.keys() if made.get(key) != own.get(key))
    if differs:
        found = ", ".join(f"{key}: {made.get(key)} here, {own.get(key)} now" for key in differs)
        rule = f"they were encoded by another model ({found})"
        raise RecipeError(str(source), rule, "Give the run or the options of `encode`")
