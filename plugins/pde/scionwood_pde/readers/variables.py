"""The layout of variables with named dims, from a file or from a dataset in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood_pde.readers.layout import (
    AXES,
    EQUATION,
    ORDER,
    UNKNOWN,
    Channel,
    Layout,
    check_size,
    native,
)
from scionwood_pde.readers.placing import DEGREES, coordinate_of, is_angle, roles_of

CELL, DEGREE = "cell", "degree"
"""The unit of an axis whose cells are used as they are, and that of an angle."""

KNOWN_NAMES = ("sample", "time", "channel", *AXES)
OFFSETS = ("position", "offset")
"""Attributes with the place of a field in its cell: of openPMD 1.1.0, and of JAX-CFD."""

_REMEDIES = {"c": "Store real and imaginary parts as two fields", "f": "Convert it to float64"}
"""What to do with values that are no states, by the kind of their type."""


def variables_of(dataset: xr.Dataset, *, sort: bool = False) -> dict[str, xr.Variable]:
    """Return the variables of a dataset by name, those first that its attribute lists.

    Args:
        dataset: the dataset.
        sort: whether the others are sorted by name; a folder lists them in any order.
    """
    listed = [str(name) for name in np.atleast_1d(dataset.attrs.get(ORDER, []))]
    names = [*map(str, dataset.data_vars), *map(str, dataset.coords)]
    names = sorted(names, key=lambda name: ("/" in name, name)) if sort else names
    first = [name for name in listed if name in names]
    by_text = {str(name): variable for name, variable in dataset.variables.items()}
    return {name: by_text[name] for name in dict.fromkeys([*first, *names])}


def layout_from(
    dataset: xr.Dataset,
    path: Path,
    kind: str,
    dims: Mapping[str, str] | None = None,
    *,
    sort: bool = False,
) -> Layout:
    """Return the layout of a dataset: each variable over all space axes is a field.

    Args:
        dataset: the dataset. Coordinates over all axes, such as latitudes, are no fields.
        path: the file in messages.
        kind: the name of the format in messages.
        dims: see `placing.roles_of`.
        sort: see `variables_of`.

    Raises:
        ReadError: a dimension has no place, there is no field of real numbers, or a coordinate is
            not a line.
    """
    variables = variables_of(dataset, sort=sort)
    roles = roles_of(variables, dims, str(path))
    sizes = _sizes(dataset, roles)
    axes = tuple(axis for axis in AXES if axis in sizes)
    placed = {n: tuple(roles.get(str(d), str(d)) for d in v.dims) for n, v in variables.items()}
    fields = _fields((path, kind), dataset, variables, placed, axes)
    lines = {r: coordinate_of(d, r, variables) for d, r in roles.items()}
    chosen: dict[str, Any] = {a: variables.get(lines.get(a) or "") for a in ("time", *axes)}
    chosen["time"] = _only_time(variables) if "time" not in sizes else chosen["time"]
    units = {axis: _unit(chosen[axis]) for axis in axes}
    if len(set(units.values())) > 1 and {DEGREE, UNKNOWN} & set(units.values()):
        # Cells are counted along the axes that the user named.
        cells = [axis for axis in units if axis in (dims or {})]
        units |= dict.fromkeys(cells, CELL)
        chosen |= dict.fromkeys(cells)
    labels = _labels(variables, path)
    # Names along `channel` are unique only if one variable has such names.
    several = sum("channel" in variable.dims for variable in fields.values()) > 1
    channels = [
        channel
        for name, variable in fields.items()
        for channel in _channels((path, kind), name, variable, placed[name], labels, several)
    ]
    described = [dataset.attrs, *(variable.attrs for variable in fields.values())]
    equations = [attrs[EQUATION] for attrs in described if EQUATION in attrs]
    used = {*fields, *map(str, dataset.coords), *(n for n in lines.values() if n)}
    return Layout(
        sizes.get("sample", 1),
        _points(path, chosen["time"], "time", sizes.get("time", 1)),
        {axis: _points(path, chosen[axis], axis, sizes[axis]) for axis in axes},
        tuple(channels),
        {"time": _unit(chosen["time"]), **units},
        {axis: _attribute(chosen[axis], "boundary") for axis in axes},
        native([variable.dtype for variable in fields.values()]),
        _elsewhere(variables, placed, used),
        str(equations[0]) if equations else UNKNOWN,
    )


def _sizes(dataset: xr.Dataset, roles: Mapping[str, str]) -> dict[str, int]:
    """Return the length of each role, without dims of space that only lines have, beside fields."""
    wide = {str(dim) for v in dataset.variables.values() if v.ndim > 1 for dim in v.dims}
    lines = {dim for dim, role in roles.items() if role in AXES and dim not in wide}
    alone = lines if lines < {dim for dim, role in roles.items() if role in AXES} else set()
    return {roles[str(d)]: n for d, n in dataset.sizes.items() if str(d) in roles.keys() - alone}


def _fields(
    source: tuple[Path, str],
    dataset: xr.Dataset,
    variables: Mapping[str, xr.Variable],
    placed: Mapping[str, tuple[str, ...]],
    axes: tuple[str, ...],
) -> dict[str, xr.Variable]:
    """Return the variables of real numbers over all axes of space."""
    path, kind = source
    candidates = {
        name: variable
        for name, variable in variables.items()
        if not (_is_line(name, variable) or name in dataset.coords)
        and axes
        and set(axes) <= set(placed[name])
    }
    if axes != AXES[: len(axes)]:
        lacking = next(axis for axis in AXES if axis not in axes)
        rule = f"its axes are {', '.join(axes)}, and {lacking} is none of them"
        raise ReadError(str(path), rule, f"Name it, such as dims={{{lacking!r}: {axes[-1]!r}}}")
    fields = {name: variable for name, variable in candidates.items() if is_real(variable.dtype)}
    if candidates and not fields:
        name, array = next(iter(candidates.items()))
        rule = (
            f"field {name!r} holds {array.dtype}, and states are real numbers of 64 bits or fewer"
        )
        raise ReadError(str(path), rule, _REMEDIES.get(array.dtype.kind, "Convert it with astype"))
    if not fields:
        rule = f"no {kind} variable has the dims {KNOWN_NAMES}, or fewer; its dims are "
        rule += str({name: variable.dims for name, variable in variables.items() if variable.dims})
        raise ReadError(str(path), rule, "Name them, such as dims={'x': 'lon'}")
    return fields


def _labels(variables: Mapping[str, Any], path: Path) -> list[tuple[str, str | None]]:
    """Return names and units along `channel`, if coordinates of xarray hold them."""
    labels = {}
    for name in ("channel", "unit"):
        variable = variables.get(name)
        if variable is not None and variable.dims == ("channel",):
            check_size(path, variable.shape, variable.dtype)
            labels[name] = [str(value) for value in variable.values]
    names: list[str] = labels.get("channel", [])
    units: list[str] | list[None] = labels.get("unit", [None] * len(names))
    return [*zip(names, units, strict=True)] if names else []


def _channels(
    source: tuple[Path, str],
    name: str,
    variable: Any,
    dims: tuple[str, ...],
    labels: Sequence[tuple[str, str | None]],
    several: bool,
) -> list[Channel]:
    path, kind = source
    if not set(dims) <= set(KNOWN_NAMES):
        lacking = [dim for dim in dims if dim not in KNOWN_NAMES]
        rule = f"field {name!r} of this {kind} file has dims {variable.dims}, of which "
        rule += f"{lacking} have no place; known are {KNOWN_NAMES}"
        remedy = f"Name it, such as dims={{'sample': {lacking[0]!r}}}, or select one index of it"
        raise ReadError(str(path), rule, remedy)
    unit = str(variable.attrs.get("units", UNKNOWN))
    if "channel" not in dims:
        return [Channel(name, unit, name, dims)]
    parts: list[tuple[str, str | None]] = [*labels]
    parts = parts or [(f"{name}_{i}", None) for i in range(variable.sizes["channel"])]
    return [
        Channel(
            f"{name}_{label}" if several and labels else label,
            label_unit or unit,
            name,
            tuple(i if d == "channel" else d for d in dims),
        )
        for i, (label, label_unit) in enumerate(parts)
    ]


def _points(path: Path, variable: Any, axis: str, size: int) -> np.ndarray:
    """Return the points of an axis of a file, whose size is checked before they are read."""
    if variable is not None:
        check_size(path, variable.shape, variable.dtype)
    try:
        return points_of(variable, axis, size)
    except ValueError as error:
        rule, _, remedy = str(error).partition(". ")
        raise ReadError(str(path), rule, remedy) from error


def points_of(variable: Any, axis: str, size: int) -> np.ndarray:
    """Return a coordinate, or 0, 1, 2 ... if there is none; dates in seconds since the first.

    Raises:
        ValueError: it holds no numbers.
    """
    if variable is None:
        return np.arange(size, dtype=np.float64)
    values = np.asarray(variable.values)
    if is_dates(values):
        # From the first date on: seconds since 1970 would leave too few digits for a time step.
        return np.array([_seconds(value - values[0]) for value in values])
    if values.dtype.kind not in "fiu":
        raise ValueError(
            f"coordinate {axis} holds {values.dtype}, and no numbers. Give it numbers, or open it "
            "with decode_times=False"
        )
    return values.astype(np.float64)


def is_dates(values: np.ndarray) -> bool:
    """Return whether values are dates: of numpy, or of a calendar of cftime."""
    first = values.flat[0] if values.dtype == object and values.size else None
    return values.dtype.kind in "mM" or hasattr(first, "calendar")


def _seconds(step: Any) -> float:
    """Return the seconds of a difference of two dates."""
    is_numpy = isinstance(step, np.timedelta64)
    return float(step / np.timedelta64(1, "s")) if is_numpy else float(step.total_seconds())


def _unit(coordinate: Any) -> str:
    """Return the unit of a coordinate; dates become seconds, and degrees lose their direction."""
    if coordinate is not None and coordinate.dtype.kind in "mMO":
        return "s"
    unit = _attribute(coordinate, "units")
    return DEGREE if unit.lower() in DEGREES else unit


def _attribute(coordinate: Any, name: str) -> str:
    """Return an attribute of a coordinate, or `unknown`."""
    return UNKNOWN if coordinate is None else str(coordinate.attrs.get(name, UNKNOWN))


def is_real(dtype: np.dtype) -> bool:
    """Return whether states can hold the values of a type."""
    return dtype.kind in "iub" or (dtype.kind == "f" and dtype.itemsize <= 8)


def _is_line(name: str, variable: Any) -> bool:
    """Return whether a variable has the name of an axis; one with several dims is a field."""
    return name in (*KNOWN_NAMES, "unit") and len(variable.dims) < 2


def _only_time(variables: Mapping[str, Any]) -> Any:
    """Return the scalar coordinate `time` as a line of one point, or `None` if there is none."""
    time = variables.get("time")
    if time is None or time.dims or time.dtype.kind not in "fiumMO":
        return None
    return xr.Variable("time", np.atleast_1d(time.values), time.attrs)


def _elsewhere(
    variables: Mapping[str, Any], placed: Mapping[str, tuple[str, ...]], used: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Return the variables over two axes or more that are no fields, such as those of a C-grid.

    Bounds of coordinates, as CF names them, are no such variables, nor are texts. Fields that are
    marked to lie at other places of their cells than most are among them.
    """
    bounds = {str(array.attrs.get("bounds")) for array in variables.values()}
    out = {}
    for name, variable in variables.items():
        space = set(placed[name]) - {"sample", "time", "channel"}
        number = variable.dtype.kind in "fiubcmM" and not is_angle(name, variable)
        if name not in {*used, *bounds} and number and len(space) > 1:
            out[name] = tuple(str(dim) for dim in variable.dims)
    places = {name: place for name, v in variables.items() if (place := _place_in_cell(v))}
    counts = [*places.values()]
    common = max(counts, key=counts.count, default=())
    alone = counts.count(common) == 1
    others = {n: (f"offset {p}",) for n, p in places.items() if alone or p != common}
    return out | (others if len(set(counts)) > 1 else {})


def _place_in_cell(variable: Any) -> tuple[float, ...]:
    for key in OFFSETS:
        place = np.atleast_1d(np.asarray(variable.attrs.get(key, ())))
        if place.dtype.kind in "fiu" and 0 < place.size <= variable.ndim:
            return tuple(place.astype(float).tolist()) if variable.dtype.kind == "f" else ()
    return ()
