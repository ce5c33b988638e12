"""Denoise a `DataArray` of xarray: axes by name; coordinates, attributes and the name are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scionwood import RecipeError

VERTICAL = ("time", "depth")
"""The names of the axis of the samples."""
UNEVEN = 1e-3
"""By which share of the interval a sample may lie elsewhere."""


def denoise_labelled(data: Any, dt: float | None, clean: Callable[..., np.ndarray]) -> Any:
    """Return a new `DataArray` of the same dimensions, coordinates, attributes and name.

    Args:
        data: a `DataArray` of `time` or `depth`, and at most one other axis.
        dt: the sample interval that the user states, s; None if the coordinate states it.
        clean: cleans a gather (trace, time), given its sample interval and its name.

    Raises:
        RecipeError: the samples are not in memory or are no real numbers, other axes are there, the
            coordinate is not even, or `dt` is given beside a coordinate.
    """
    value = f"DataArray {data.name or ''}{dict(data.sizes)}".replace("  ", " ")
    vertical = next((name for name in VERTICAL if name in data.dims), None)
    if vertical is None or len(data.dims) > 2:
        rule = "a gather has time or depth, and at most one more axis"
        raise RecipeError(value, rule, "Rename its axis, or select one gather: data.isel(shot=0)")
    if not isinstance(data.data, np.ndarray):
        rule = f"its samples are a {type(data.data).__module__.split('.')[0]} array"
        raise RecipeError(value, rule, "Load it first: data.compute(), gather by gather if large")
    if data.dtype.kind not in "iuf":
        rule = f"its samples are {data.dtype}, not real numbers"
        raise RecipeError(value, rule, "Convert them: data.astype('float32')")
    last = data.transpose(..., vertical)
    gather = np.atleast_2d(last.values)
    cleaned = clean(gather, _interval(data, vertical, dt, value), "")
    result = last.copy(data=cleaned.reshape(last.shape))
    return result.transpose(*data.dims)


def _interval(data: Any, vertical: str, dt: float | None, value: str) -> float | None:
    """Return the sample interval, s or m; None if neither the array nor the user states it."""
    if vertical not in data.coords or data.sizes[vertical] < 2:
        return dt
    if dt is not None:
        rule = f"a DataArray with a coordinate {vertical!r} carries its own sample interval"
        raise RecipeError(f"dt {dt}", rule, "Leave dt out")
    axis = data.coords[vertical].values
    if axis.dtype.kind in "mM":
        axis = (axis - axis[0]) / np.timedelta64(1, "ns") / 1e9
    if axis.dtype.kind not in "iuf":
        rule = f"its coordinate {vertical!r} is {axis.dtype}, neither numbers nor times"
        raise RecipeError(value, rule, "Give seconds, metres or datetime64")
    steps = np.diff(axis.astype(np.float64))
    step = float(steps.mean())
    if not step > 0 or np.abs(steps - step).max() > UNEVEN * step:
        rule = f"its coordinate {vertical!r} has steps of {steps.min():.6g} to {steps.max():.6g}"
        raise RecipeError(value, rule, "Interpolate it to equal steps that rise: data.interp")
    return step
