"""Find which dimension of a file is `sample`, `time`, `x`, `y` or `z`.

A dimension is placed by, in this order: what the user says; its own name, if it is one of these
five; the attributes `axis`, `standard_name`, `positive` and `units` of its coordinate, as CF
defines them; a common name, such as `member`, `t`, `nx`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from scionwood import ReadError
from scionwood_pde.readers.layout import AXES

ROLES = ("sample", "time", *AXES)

COMMON: Mapping[str, tuple[str, ...]] = {
    "sample": (
        *("samples", "trajectory", "trajectories", "traj", "member", "ensemble", "realization"),
        *("batch", "run", "simulation", "sim", "case", "number", "b"),
    ),
    "time": ("t", "times", "nt", "step", "snapshot", "snapshots", "frame", "frames", "ocean_time"),
    "x": ("xc", "x_c", "nx", "xdim", "dim_x", "i", "ni", "xh", "west_east", "xi_rho"),
    "y": ("yc", "y_c", "ny", "ydim", "dim_y", "j", "nj", "yh", "south_north", "eta_rho"),
    "z": (
        *("zc", "z_c", "nz", "zdim", "dim_z", "k", "nk", "zh", "lev", "level", "depth", "height"),
        *("bottom_top", "s_rho"),
    ),
}
"""Common names of dimensions, in lower case."""

AXIS = {"X": "x", "Y": "y", "Z": "z", "T": "time", "E": "sample"}
STANDARD = {
    "projection_x_coordinate": "x",
    "projection_y_coordinate": "y",
    "projection_z_coordinate": "z",
    "longitude": "x",
    "latitude": "y",
    "depth": "z",
    "height": "z",
    "altitude": "z",
    "air_pressure": "z",
    "time": "time",
    "realization": "sample",
}
"""Axes by the standard names of CF, https://cfconventions.org."""

DEGREES = ("degrees_east", "degrees_north", "degree_east", "degree_north", "degrees", "degree")
_GLOBE = ("longitude", "latitude", "lon", "lat", "nav_lon", "nav_lat", "xlong", "xlat", "glon")
_ANGLES = ("longitude", "latitude", "grid_longitude", "grid_latitude")
"""Standard names of CF for angles, of a globe and of one with a rotated pole."""

_LENGTHS = ("m", "km", "meter", "meters", "metre", "metres", "kilometer", "kilometers")
_LEVELS = {
    "bottom_top": "levels of pressure that follow the ground, as WRF has them",
    "s_rho": "levels that follow the bottom, as ROMS has them",
}
"""Vertical dims whose points lie at another height in each column."""


def roles_of(
    variables: Mapping[str, Any], dims_by_role: Mapping[str, str] | None, path: str
) -> dict[str, str]:
    """Return the role of each dimension that has one: `sample`, `time`, `x`, `y` or `z`.

    Args:
        variables: the variables of a file by name, with `dims` and `attrs`.
        dims_by_role: the dimension for each role that the user names, such as `{"x": "lon"}`.
        path: the file in messages.

    Raises:
        ReadError: a role or a dimension that the user names does not exist, a dimension gets two
            roles or loses its own, two dimensions fit one role, or the grid is spherical or
            curvilinear, or a mesh, or its levels follow the ground.
    """
    dims = list(dict.fromkeys(str(d) for variable in variables.values() for d in variable.dims))
    user_dims = dict(dims_by_role or {})
    _check_chosen(user_dims, dims, path)
    _check_grid(variables, user_dims.values(), path)
    roles = {dim: role for role, dim in user_dims.items()}
    for find in (_by_name, _by_coordinate, _common):
        assigned = set(roles.values())
        candidates = {d: find(d, variables) for d in dims if d not in roles}
        for role in ROLES:
            fits = [d for d, r in candidates.items() if r == role]
            if role in assigned or not fits:
                continue
            if len(fits) > 1:
                rule = f"the dims {', '.join(fits)} could each be {role}"
                raise ReadError(path, rule, f"Name one: dims={{{role!r}: {fits[0]!r}}}")
            roles[fits[0]] = role
    for dim in ROLES:
        if dim in dims and dim not in roles:
            rule = f"dims names {user_dims[dim]!r} as {dim}, so that the dim {dim!r} has no place"
            raise ReadError(path, rule, "Name its role in dims as well, or rename it")
    return roles


def coordinate_of(dim: str, role: str, variables: Mapping[str, Any]) -> str | None:
    """Return the name of the coordinate along a dimension, if there is one."""
    along = [name for name, variable in variables.items() if tuple(variable.dims) == (dim,)]
    likely = [n for n in (dim, role) if n in along]
    likely += [n for n in along if _of_attributes(variables[n].attrs) == role]
    return likely[0] if likely else None


def _check_chosen(user_dims: Mapping[str, str], dims: list[str], path: str) -> None:
    for role, dim in user_dims.items():
        if role not in ROLES or dim not in dims:
            rule = f"roles are {', '.join(ROLES)}; this file has the dims {', '.join(dims)}"
            raise ReadError(path, f"dims {{{role!r}: {dim!r}}}: {rule}", "Correct dims")
        both = [shared for shared, other in user_dims.items() if other == dim]
        if len(both) > 1:
            rule = f"dims names {dim!r} for {', '.join(both)}"
            raise ReadError(path, rule, "Give each its own dimension")


def _by_name(dim: str, variables: Mapping[str, Any]) -> str | None:
    return dim if dim in ROLES else None


def _by_coordinate(dim: str, variables: Mapping[str, Any]) -> str | None:
    """Return the role by the attributes of the coordinate of a dimension."""
    along = [v for v in variables.values() if tuple(v.dims) == (dim,)]
    return next((role for role in (_of_attributes(v.attrs) for v in along) if role), None)


def _of_attributes(attrs: Mapping[str, Any]) -> str | None:
    axis, name = (str(attrs.get(key, "")) for key in ("axis", "standard_name"))
    role = AXIS.get(axis.upper()) or STANDARD.get(name.lower())
    return role or ("z" if "positive" in attrs else None)


def _common(dim: str, variables: Mapping[str, Any]) -> str | None:
    by_name = next((role for role, names in COMMON.items() if dim.lower() in names), None)
    return by_name or (dim.lower() if dim.lower() in ROLES else None)


def _check_grid(variables: Mapping[str, Any], named_dims: Iterable[str], path: str) -> None:
    """Refuse grids whose axes are angles or curves, unless the user names their dims, and meshes.

    Angles beside axes in metres, as of a projection, and along no axis of a field are no reason.
    """
    chosen = set(named_dims)
    fields = [set(map(str, array.dims)) for array in variables.values() if len(array.dims) > 1]
    bounds = {str(array.attrs.get("bounds")) for array in variables.values()}
    for name, variable in variables.items():
        if str(variable.attrs.get("cf_role")) == "mesh_topology":
            rule = f"its grid is unstructured: {name} is a mesh of UGRID"
            raise ReadError(path, rule, "Interpolate it onto a regular grid")
        dims = tuple(str(dim) for dim in variable.dims)
        if name in bounds or not dims or chosen >= set(dims) or not is_angle(name, variable):
            continue
        if any(set(dims) <= field for field in fields) and not _is_beside(variables, dims):
            _refuse_angle(name, str(variable.attrs.get("units", "")).lower(), dims, path)
    for dim in (_LEVELS.keys() & set().union(*fields)) - chosen:
        rule = f"its vertical axis {dim} has {_LEVELS[dim]}, which are no heights"
        remedy = f"Interpolate them onto heights; or name dims={{'z': {dim!r}}} and the dims of x "
        raise ReadError(path, rule, remedy + "and y, to use cells as they are")


def is_angle(name: str, variable: Any) -> bool:
    """Return whether a variable is a longitude or a latitude, by its unit or its name."""
    dims = tuple(str(dim) for dim in variable.dims)
    unit = str(variable.attrs.get("units", "")).lower()
    likely = name.lower() in _GLOBE and (len(dims) > 1 or dims == (name,))
    is_degrees = unit in DEGREES[:4] or (likely and unit in ("", *DEGREES))
    of_cells = len(dims) > 1 and re.fullmatch(r"(lat|lon)_(rho|u|v|psi)", name) is not None
    return is_degrees or of_cells or str(variable.attrs.get("standard_name")) in _ANGLES


def _is_beside(variables: Mapping[str, Any], dims: tuple[str, ...]) -> bool:
    """Return whether dims are times, or axes whose own coordinates are lengths."""

    def has_length_or_time(dim: str) -> bool:
        coordinate = variables.get(dim)
        unit = "" if coordinate is None else str(coordinate.attrs.get("units", "")).lower()
        time = dim.lower() in ("time", *COMMON["time"], "time_counter")
        return unit in _LENGTHS or " since " in unit or time

    return all(has_length_or_time(dim) for dim in dims)


def _refuse_angle(name: str, unit: str, dims: tuple[str, ...], path: str) -> None:
    if len(dims) > 1:
        rule = f"its grid is curvilinear: the coordinate {name} has the dims {dims}"
        remedy = "Interpolate it onto a regular grid; or name its dims, such as "
        raise ReadError(path, rule, f"{remedy}dims={{'x': {dims[-1]!r}}}, to use cells as they are")
    role = "y" if "north" in unit or "lat" in name.lower() else "x"
    rule = f"its grid is spherical: {name} is in degrees, so that cells differ in size"
    remedy = f"Project it; or name its dims, such as dims={{{role!r}: {dims[0]!r}}}, to use "
    raise ReadError(path, rule, f"{remedy}cells as they are")
