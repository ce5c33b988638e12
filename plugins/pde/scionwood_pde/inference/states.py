"""What rollouts share with other uses of a run: normalisers, errors about shapes, devices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import xarray as xr
from torch import Tensor

from scionwood import RecipeError
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.readers.cache import Cache

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


def normaliser_of(states: xr.DataArray) -> Normaliser:
    """Return the normaliser of states (any, channel, *space); a slab of them is read at a time."""
    names = [str(name) for name in states.coords["channel"].values]
    slabs = (
        state[:, start : start + SLAB].values
        for state in states
        for start in range(0, state.shape[1], SLAB)
    )
    return Normaliser.of(names, slabs)


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
