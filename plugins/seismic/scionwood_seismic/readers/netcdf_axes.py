"""The axes of NetCDF data sets: as values, as tie points, or as evenly sampled parts.

Source: CF conventions 1.13, chapters 4.4 (time) and 8.3 (tie points); the source code of xdas 0.2
for the attribute `coordinate_sampling` and for older spellings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import h5py

UNEVEN = 0.01  # the largest deviation of a step from the median step

_SECONDS = {
    "nanoseconds": 1,
    "microseconds": 10**3,
    "milliseconds": 10**6,
    "seconds": 10**9,
    "minutes": 60 * 10**9,
    "hours": 3600 * 10**9,
    "days": 86400 * 10**9,
}
"""Unit of a CF time -> ns."""

_DATE = re.compile(
    r"(\w+) since (\d+-\d+-\d+)(?:[ T]([\d:.]+))?\s*(?:Z|UTC|GMT|([+-])(\d{1,2}):?(\d{2})?)?"
)
"""Unit, day, time and zone of a CF time."""


def text_of(value: object) -> str:
    """Return an attribute as text."""
    if isinstance(value, np.ndarray):
        return " ".join(text_of(item) for item in value.ravel())
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def axis_names(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Return the names of the axes; empty names where the file gives none."""
    names = (axis[0].name.rsplit("/", 1)[-1] if len(axis) else "" for axis in dataset.dims)
    return tuple(names)


def axis_values(dataset: h5py.Dataset, axis: str) -> np.ndarray:
    """Return the values along an axis, (sample,) datetime64[ns] or float64.

    Args:
        dataset: the data set, in a group with the variables that describe its axes.
        axis: the name of the axis.

    Raises:
        ValueError: no variable describes the axis, or one does not fit it.
    """
    group, size = dataset.parent, dataset.shape[axis_names(dataset).index(axis)]
    points = _tie_points(dataset, axis) or _parts(dataset, axis)
    if points is not None:
        indices, values = points
        if indices[0] != 0 or indices[-1] != size - 1 or (np.diff(indices) <= 0).any():
            raise ValueError(f"the tie points of {axis} do not span its {size} values")
        return _between(indices, values, size)
    variable = group[axis]
    name = text_of(variable.attrs.get("NAME", ""))
    if name.startswith("This is a netCDF dimension but not a netCDF variable"):
        raise ValueError(f"no variable gives the values of the axis {axis}")
    return _decoded(variable)


def step_of(values: np.ndarray) -> float | None:
    """Return the step of evenly spaced values that ascend; None if they are not."""
    # From the first one: a date in nanoseconds has more digits than float64.
    values = (values - values[:1]).astype(np.float64)
    steps = np.diff(values)
    middle = float(np.median(steps)) if len(steps) else 0.0
    even = middle > 0 and bool((np.abs(steps - middle) <= UNEVEN * middle).all())
    return float(values[-1]) / len(steps) if even else None


def _tie_points(dataset: h5py.Dataset, axis: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return indices and values of tie points, in either spelling of the attribute."""
    text = text_of(dataset.attrs.get("coordinate_interpolation", ""))
    group = dataset.parent
    for values, variable in re.findall(r"(\w+): (\w+)", text):
        mapping = text_of(group[variable].attrs.get("tie_point_mapping", ""))
        match = re.match(r"(\w+): (\w+) (\w+)", mapping)
        if match and match[1] == axis:
            return group[match[2]][()], _decoded(group[values])
    for name, indices, values in re.findall(r"(\w+): (\w+) (\w+)(?= |$)", text):
        if name == axis:
            return group[indices][()], _decoded(group[values])
    return None


def _parts(dataset: h5py.Dataset, axis: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return first and last indices and values of evenly sampled parts."""
    text = text_of(dataset.attrs.get("coordinate_sampling", ""))
    group = dataset.parent
    for first, variable in re.findall(r"(\w+): (\w+)", text):
        attrs = group[variable].attrs
        match = re.match(r"(\w+): (\w+) (\w+)", text_of(attrs.get("tie_point_mapping", "")))
        if not match or match[1] != axis:
            continue
        if "sampling_interval" in attrs:
            values, lengths = _decoded(group[first]), group[match[2]][()]
        else:  # before xdas 0.2 the mapping named both variables
            values, lengths = _decoded(group[match[2]]), group[match[3]][()]
        step = _sampling(group[variable])
        if values.dtype.kind == "M":
            ends = values + np.array(np.rint((lengths - 1) * step), "timedelta64[ns]")
        else:
            ends = values + (lengths - 1) * step
        starts = np.r_[0, np.cumsum(lengths)[:-1]]
        indices = np.stack([starts, starts + lengths - 1], 1).ravel()
        both = np.stack([values, ends], 1).ravel()
        several = np.r_[True, np.diff(indices) > 0]
        return indices[several], both[several]
    return None


def _sampling(variable: h5py.Dataset) -> float:
    """Return the step of evenly sampled parts: ns for times, and otherwise as it is."""
    attrs = variable.attrs
    scale, step = 1.0, float("nan")
    if "sampling_denominator" in attrs:
        number = float(np.ravel(attrs["sampling_numerator"])[0])
        step = number / float(np.ravel(attrs["sampling_denominator"])[0])
        scale = _SECONDS.get(text_of(attrs.get("sampling_numerator_units", "")), 1)
    elif "sampling_interval" in attrs:
        step = float(np.ravel(attrs["sampling_interval"])[0])
        scale = _SECONDS.get(text_of(attrs.get("sampling_interval_units", "")), 1)
    else:
        step = float(variable[()])
        scale = _SECONDS.get(text_of(attrs.get("units", "")), 1)
    return step * scale


def _between(indices: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    at = np.arange(size)
    if values.dtype.kind != "M":
        return np.interp(at, indices, values.astype(np.float64))
    since = (values - values[0]).astype(np.int64).astype(np.float64)
    steps = np.rint(np.interp(at, indices, since)).astype("timedelta64[ns]")
    times: np.ndarray = values[0] + steps
    return times


def _decoded(variable: h5py.Dataset) -> np.ndarray:
    """Return the values of a variable; times as datetime64[ns], with the units of CF."""
    values = np.asarray(variable[()])
    units = text_of(variable.attrs.get("units", ""))
    match = _DATE.fullmatch(units.strip())
    if not match:
        if " since " in units:
            raise ValueError(f"time in {units!r}, not such as 'seconds since 2024-01-01 00:00:00'")
        return values.astype(np.float64)
    unit = match[1] if match[1].endswith("s") else match[1] + "s"
    if unit not in _SECONDS:
        raise ValueError(f"time in the unit {match[1]!r}, not one of {', '.join(_SECONDS)}")
    minutes = 60 * int(match[5] or 0) + int(match[6] or 0)
    ahead = np.timedelta64(-minutes if match[4] == "-" else minutes, "m")
    origin = np.datetime64(f"{match[2]}T{match[3] or '00:00:00'}", "ns") - ahead
    exact = values.dtype.kind in "iu"
    since = values.astype(np.int64) * _SECONDS[unit] if exact else np.rint(values * _SECONDS[unit])
    return origin + since.astype("timedelta64[ns]")
