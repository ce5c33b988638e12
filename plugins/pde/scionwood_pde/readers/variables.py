"""The layout of variables with named dims, from a file or from a dataset in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood_pde.readers.globe import DEGREES
from scionwood_pde.readers.layout import (
    AXES,
    EQUATION,
    UNKNOWN,
    Channel,
    Layout,
    check_size,
    native,
)
from scionwood_pde.readers.offsets import offsets_of
from scionwood_pde.readers.placing import coordinate_of, roles_of

CELL = "cell"
"""The unit of an axis whose cells are used as they are."""

DEGREE = "degree"
REMEDIES = {"c": "Store real and imaginary parts as two fields", "f": "Convert it to float64"}
"""What to do with values that are no states, by the kind of their type."""

KNOWN_NAMES = ("sample", "time", "channel", *AXES)


def layout_from(
    variables: Mapping[str, Any], path: Path, kind: str, dims: Mapping[str, str] | None = None
) -> Layout:
    """Return the layout of variables with named dims: each over all space axes is a field.

    Args:
        variables: the variables by name, in the order wanted.
        path: the file in messages.
        kind: the name of the format in messages.
        dims: see `placing.roles_of`.

    Raises:
        ReadError: a dimension has no place, there is no field of real numbers, or a coordinate is
            not a line.
    """
    roles = roles_of(variables, dims, str(path))
    sizes = {roles[d]: n for d, n in _sizes(variables).items() if d in roles}
    axes = tuple(axis for axis in AXES if axis in sizes)
    placed = {name: _placed_dims(variable, roles) for name, variable in variables.items()}
    candidates = {
        name: variable
        for name, variable in variables.items()
        if not _is_line(name, variable) and axes and set(axes) <= set(placed[name])
    }
    fields = {name: variable for name, variable in candidates.items() if is_real(variable.dtype)}
    if axes != AXES[: len(axes)]:
        lacking = next(axis for axis in AXES if axis not in axes)
        rule = f"its axes are {', '.join(axes)}, and {lacking} is none of them"
        raise ReadError(str(path), rule, f"Name it, such as dims={{{lacking!r}: {axes[-1]!r}}}")
    if candidates and not fields:
        name, array = next(iter(candidates.items()))
        rule = (
            f"field {name!r} holds {array.dtype}, and states are real numbers of 64 bits or fewer"
        )
        raise ReadError(str(path), rule, REMEDIES.get(array.dtype.kind, "Convert it with astype"))
    if not fields:
        rule = f"no {kind} variable has the dims {KNOWN_NAMES}, or fewer; its dims are "
        rule += str({name: variable.dims for name, variable in variables.items() if variable.dims})
        raise ReadError(str(path), rule, "Name them, such as dims={'x': 'lon'}")
    lines = {r: coordinate_of(d, r, variables) for d, r in roles.items()}
    chosen = {axis: variables.get(lines.get(axis) or "") for axis in ("time", *axes)}
    chosen["time"] = _only_time(variables) if "time" not in sizes else chosen["time"]
    units = {axis: _unit(chosen[axis]) for axis in axes}
    cell_axes = _cell_axes(units, dims or {})
    units |= dict.fromkeys(cell_axes, CELL)
    chosen |= dict.fromkeys(cell_axes)
    points = {axis: _points(path, chosen[axis], axis, sizes[axis]) for axis in axes}
    labels = _labels(variables, path)
    # Names along `channel` are unique only if one variable has such names.
    several = sum("channel" in variable.dims for variable in fields.values()) > 1
    channels = [
        channel
        for name, variable in fields.items()
        for channel in _channels((path, kind), name, variable, placed[name], labels, several)
    ]
    equations = [
        str(variable.attrs[EQUATION]) for variable in fields.values() if EQUATION in variable.attrs
    ]
    return Layout(
        sizes.get("sample", 1),
        _points(path, chosen["time"], "time", sizes.get("time", 1)),
        points,
        tuple(channels),
        {"time": _unit(chosen["time"]), **units},
        {axis: _attribute(chosen[axis], "boundary") for axis in axes},
        native([variable.dtype for variable in fields.values()]),
        _elsewhere(variables, placed, fields.keys(), {n for n in lines.values() if n}),
        equations[0] if equations else UNKNOWN,
    )


def _cell_axes(units: Mapping[str, str], user_dims: Mapping[str, str]) -> list[str]:
    """Return the axes that count cells: those that the user named, if degrees meet other units."""
    mixed = DEGREE in units.values() and len(set(units.values())) > 1
    return [axis for axis in units if mixed and axis in user_dims]


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
    components: list[tuple[str, str | None]] = [*labels]
    components = components or [(f"{name}_{i}", None) for i in range(variable.sizes["channel"])]
    return [
        Channel(
            f"{name}_{label}" if several and labels else label,
            label_unit or unit,
            name,
            tuple(i if d == "channel" else d for d in dims),
        )
        for i, (label, label_unit) in enumerate(components)
    ]


def _points(path: Path, variable: Any, axis: str, size: int) -> np.ndarray:
    """Return a coordinate, or 0, 1, 2 ... if the file has none; dates in seconds."""
    if variable is None:
        return np.arange(size, dtype=np.float64)
    check_size(path, variable.shape, variable.dtype)
    values = np.asarray(variable.values)
    if values.dtype.kind in "mM":
        # From the first date on: seconds since 1970 would leave too few digits for a time step.
        seconds: np.ndarray = (values - values[0]) / np.timedelta64(1, "s")
        return seconds
    if values.dtype.kind not in "fiu":
        rule = f"coordinate {axis} holds {values.dtype}, and no numbers"
        raise ReadError(str(path), rule, "Give it numbers, or open it with decode_times=False")
    return values.astype(np.float64)


def _sizes(variables: Mapping[str, Any]) -> dict[str, int]:
    return {str(dim): n for variable in variables.values() for dim, n in variable.sizes.items()}


def _placed_dims(variable: Any, roles: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(roles.get(str(dim), str(dim)) for dim in variable.dims)


def _unit(coordinate: Any) -> str:
    """Return the unit of a coordinate; dates become seconds, and degrees lose their direction."""
    if coordinate is not None and coordinate.dtype.kind in "mM":
        return "s"
    unit = _attribute(coordinate, "units")
    return DEGREE if unit.lower() in DEGREES else unit


def _attribute(coordinate: Any, name: str) -> str:
    """Return an attribute of a coordinate, or `unknown`."""
    return UNKNOWN if coordinate is None else str(coordinate.attrs.get(name, UNKNOWN))


def is_real(dtype: np.dtype) -> bool:
    """Return whether states can hold the values of a type: real numbers, or whether they are so."""
    return dtype.kind in "iub" or (dtype.kind == "f" and dtype.itemsize <= 8)


def _is_line(name: str, variable: Any) -> bool:
    """Return whether a variable is a coordinate: it has the name of an axis, and one dim or none.

    A variable with more dims that has such a name is a field, and is refused by that name.
    """
    return name in (*KNOWN_NAMES, "unit") and len(variable.dims) < 2


def _only_time(variables: Mapping[str, Any]) -> Any:
    """Return the scalar coordinate `time` as a line of one point, or `None` if there is none."""
    time = variables.get("time")
    if time is None or time.dims or time.dtype.kind not in "fiumM":
        return None
    return xr.Variable("time", np.atleast_1d(time.values), time.attrs)


def _elsewhere(
    variables: Mapping[str, Any],
    placed: Mapping[str, tuple[str, ...]],
    fields: Collection[str],
    coordinates: Collection[str],
) -> dict[str, tuple[str, ...]]:
    """Return the variables over two axes or more that are no fields, such as those of a C-grid.

    Bounds of coordinates, as CF names them, are no such variables, nor are texts.
    """
    bounds = {str(array.attrs.get("bounds")) for array in variables.values()}
    out = {}
    for name, variable in variables.items():
        space = set(placed[name]) - {"sample", "time", "channel"}
        is_used = name in {*fields, *bounds, *coordinates}
        if not is_used and variable.dtype.kind in "fiubcmM" and len(space) > 1:
            out[name] = tuple(str(dim) for dim in variable.dims)
    return out | offsets_of(variables)
