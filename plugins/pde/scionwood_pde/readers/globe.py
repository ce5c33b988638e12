"""Grids that are not regular: of a globe, of curves, of meshes; and how they are told apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from scionwood import ReadError

DEGREES = ("degrees_east", "degrees_north", "degree_east", "degree_north", "degrees", "degree")
GLOBE = ("longitude", "latitude", "lon", "lat", "nav_lon", "nav_lat", "xlong", "xlat", "glon")
STANDARD = ("longitude", "latitude", "grid_longitude", "grid_latitude")
"""Standard names of CF for angles, of a globe and of one with a rotated pole."""

LENGTHS = ("m", "km", "meter", "meters", "metre", "metres", "kilometer", "kilometers")
TIMES = ("time", "t", "times", "nt", "ocean_time", "time_counter")


def check_grid(variables: Mapping[str, Any], named_dims: Iterable[str], path: str) -> None:
    """Refuse grids whose axes are angles or curves, unless the user names their dims, and meshes.

    Angles beside axes in metres, as of a projection, and along no axis of a field are no reason.

    Raises:
        ReadError: the grid is unstructured; or coordinates are angles, or have two axes.
    """
    chosen = set(named_dims)
    fields = [set(map(str, array.dims)) for array in variables.values() if len(array.dims) > 1]
    bounds = {str(array.attrs.get("bounds")) for array in variables.values()}
    for name, variable in variables.items():
        if str(variable.attrs.get("cf_role")) == "mesh_topology":
            rule = f"its grid is unstructured: {name} is a mesh of UGRID"
            raise ReadError(path, rule, "Interpolate it onto a regular grid")
        dims = tuple(str(dim) for dim in variable.dims)
        if name in bounds or not dims or chosen >= set(dims) or not _is_angle(name, variable):
            continue
        if not any(set(dims) <= field for field in fields) or _is_beside(variables, dims):
            continue
        _refuse(name, str(variable.attrs.get("units", "")).lower(), dims, path)


def _is_angle(name: str, variable: Any) -> bool:
    """Return whether a variable is a longitude or a latitude, by its unit or its name."""
    dims = tuple(str(dim) for dim in variable.dims)
    unit = str(variable.attrs.get("units", "")).lower()
    likely = name.lower() in GLOBE and (len(dims) > 1 or dims == (name,))
    is_degrees = unit in DEGREES[:4] or (likely and unit in ("", *DEGREES))
    of_cells = len(dims) > 1 and re.fullmatch(r"(lat|lon)_(rho|u|v|psi)", name) is not None
    return is_degrees or of_cells or str(variable.attrs.get("standard_name")) in STANDARD


def _is_beside(variables: Mapping[str, Any], dims: tuple[str, ...]) -> bool:
    """Return whether dims are times, or axes whose own coordinates are lengths."""

    def has_length_or_time(dim: str) -> bool:
        coordinate = variables.get(dim)
        unit = "" if coordinate is None else str(coordinate.attrs.get("units", "")).lower()
        return unit in LENGTHS or " since " in unit or dim.lower() in TIMES

    return all(has_length_or_time(dim) for dim in dims)


def _refuse(name: str, unit: str, dims: tuple[str, ...], path: str) -> None:
    if len(dims) > 1:
        rule = f"its grid is curvilinear: the coordinate {name} has the dims {dims}"
        remedy = "Interpolate it onto a regular grid; or name its dims, such as "
        raise ReadError(path, rule, f"{remedy}dims={{'x': {dims[-1]!r}}}, to use cells as they are")
    role = "y" if "north" in unit or "lat" in name.lower() else "x"
    rule = f"its grid is spherical: {name} is in degrees, so that cells differ in size"
    remedy = f"Project it; or name its dims, such as dims={{{role!r}: {dims[0]!r}}}, to use "
    raise ReadError(path, rule, f"{remedy}cells as they are")
