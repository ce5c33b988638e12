"""What encoding, decoding and rollouts share: normalisers, tensors, errors about shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from scionwood import RecipeError
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.readers.cache import Cache
from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.regions import Places, Put

SLAB = 64
"""Planes along x that are read together for the mean and the deviation of a state."""


def normaliser_for(
    normaliser: Normaliser | None, states: xr.DataArray, statistics: str | Path | None = None
) -> Normaliser:
    """Return the normaliser with which a run is applied to states.

    Args:
        normaliser: the normaliser of the run. `None` means that of the first states of all samples.
        states: states as `readers.states` defines them.
        statistics: a cache whose means and standard deviations replace those of `normaliser`.

    Raises:
        RecipeError: the run was not trained on one of the fields.
        ReadError: the cache is damaged, or lacks one of the fields.
    """
    names = [str(name) for name in states.coords["channel"].values]
    scale = normaliser_of(states[:, 0]) if normaliser is None else normaliser.of_fields(names)
    if statistics is None:
        return scale
    cache = Cache(Path(statistics), fields=names)
    other = Normaliser.chosen(names, [cache.statistics[name] for name in names])
    return replace(other, interval=scale.interval, time_unit=scale.time_unit)


def fitting(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Call a model on a state, and turn its `ValueError` about the shape into a `RecipeError`.

    Raises:
        RecipeError: the state does not fit the model.
    """
    try:
        return function(x)
    except ValueError as error:
        raise RecipeError(f"a state of shape {tuple(x.shape[1:])}", str(error)) from error


def tensor_of(state: xr.DataArray, device: str) -> Tensor:
    """Return a state (channel, *space) as a batch of one, in the precision of its values.

    Fields are normalised before they are rounded to float32, or a large mean would hide them.
    """
    values = np.ascontiguousarray(state.values, dtype=np.result_type(state.dtype, np.float32))
    return torch.from_numpy(values)[None].to(device)


def normaliser_of(states: xr.DataArray) -> Normaliser:
    """Return the normaliser of states (any, channel, *space); a slab of them is read at a time."""
    names = [str(name) for name in states.coords["channel"].values]
    slabs = (
        state[:, start : start + SLAB].values
        for state in states
        for start in range(0, state.shape[1], SLAB)
    )
    return Normaliser.of(names, slabs)


def in_memory(layout: Layout) -> tuple[np.ndarray, Put]:
    """Return an empty array of states, and a function that stores parts in it."""
    shape = (layout.samples, len(layout.times), len(layout.channels), *layout.sides)
    states = np.empty(shape, layout.dtype)

    def put(sample: int, time: int, channel: int, places: Places, values: np.ndarray) -> None:
        states[sample, time, channel][places] = values

    return states, put


def check_device(device: str) -> None:
    """Check that torch can compute on a device of this machine.

    Raises:
        RecipeError: it cannot; the message has torch's reason.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts
        reason = str(error).splitlines()[0].split(". ")[0]
        raise RecipeError(f"device {device}", reason, "Use cpu, or a GPU of this machine") from None
