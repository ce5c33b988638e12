"""Find which dimension of a file is `sample`, `time`, `x`, `y` or `z`.

A dimension is placed by, in this order: what the user says; its own name, if it is one of these
five; the attributes `axis`, `standard_name`, `positive` and `units` of its coordinate, as CF
defines them; a common name, such as `member`, `t`, `nx`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scionwood import ReadError
from scionwood_pde.readers.globe import check_grid
from scionwood_pde.readers.layout import AXES

ROLES = ("sample", "time", *AXES)

COMMON: Mapping[str, tuple[str, ...]] = {
    "sample": (
        *("samples", "trajectory", "trajectories", "traj", "member", "ensemble", "realization"),
        *("batch", "run", "simulation", "sim", "case", "number", "b"),
    ),
    "time": ("t", "times", "nt", "step", "snapshot", "snapshots", "frame", "frames", "ocean_time"),
    "x": ("xc", "x_c", "nx", "xdim", "dim_x", "i", "ni", "xh"),
    "y": ("yc", "y_c", "ny", "ydim", "dim_y", "j", "nj", "yh"),
    "z": ("zc", "z_c", "nz", "zdim", "dim_z", "k", "nk", "lev", "level", "depth", "height"),
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
            curvilinear.
    """
    dims = list(dict.fromkeys(str(d) for variable in variables.values() for d in variable.dims))
    user_dims = dict(dims_by_role or {})
    for role, dim in user_dims.items():
        if role not in ROLES or dim not in dims:
            rule = f"roles are {', '.join(ROLES)}; this file has the dims {', '.join(dims)}"
            raise ReadError(path, f"dims {{{role!r}: {dim!r}}}: {rule}", "Correct dims")
        if list(user_dims.values()).count(dim) > 1:
            both = ", ".join(
                shared_role for shared_role, other in user_dims.items() if other == dim
            )
            raise ReadError(path, f"dims names {dim!r} for {both}", "Give each its own dimension")
    check_grid(variables, user_dims.values(), path)
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


def _by_name(dim: str, variables: Mapping[str, Any]) -> str | None:
    return dim if dim in ROLES else None


def _by_coordinate(dim: str, variables: Mapping[str, Any]) -> str | None:
    """Return the role by the attributes of the coordinate of a dimension."""
    roles = [
        _of_attributes(variable.attrs)
        for variable in variables.values()
        if tuple(variable.dims) == (dim,)
    ]
    return next((role for role in roles if role), None)


def _of_attributes(attrs: Mapping[str, Any]) -> str | None:
    axis, name = (str(attrs.get(key, "")) for key in ("axis", "standard_name"))
    role = AXIS.get(axis.upper()) or STANDARD.get(name.lower())
    return role or ("z" if "positive" in attrs else None)


def _common(dim: str, variables: Mapping[str, Any]) -> str | None:
    return next((role for role, names in COMMON.items() if dim.lower() in names), None) or (
        dim.lower() if dim.lower() in ROLES else None
    )
