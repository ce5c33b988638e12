"""What programs mean by their names of dims: faces of cells, and points that no coordinate holds.

Each program writes NetCDF with names of its own. The table says which dims are the faces of which
cells, and where the points of an axis are. Fields on faces are averaged to the cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np
import xarray as xr

from scionwood import ReadError

AVERAGED = "averaged_from"
"""The attribute of a variable that was averaged: its dim of faces."""


@final
@dataclass(frozen=True)
class Convention:
    """The names of one program.

    Args:
        program: its name.
        signs: dims that only its files have together.
        faces: the dim of the cells by the dim of their faces, of which there is one more.
        points: the variable with the points of a dim; with two dims, if its rows are equal.
        spacings: the attribute of the file with the spacing of a dim, in metres.
    """

    program: str
    signs: tuple[str, ...]
    faces: Mapping[str, str] = field(default_factory=dict)
    points: Mapping[str, str] = field(default_factory=dict)
    spacings: Mapping[str, str] = field(default_factory=dict)


CONVENTIONS = (
    Convention("CM1", ("xh", "yh", "zh"), faces={"xf": "xh", "yf": "yh", "zf": "zh"}),
    Convention(
        "CM1 before version 21",
        ("ni", "nj", "nk"),
        faces={"nip1": "ni", "njp1": "nj", "nkp1": "nk"},
        points={"ni": "xh", "nj": "yh", "nk": "z"},
    ),
    Convention(
        "WRF",
        ("west_east", "south_north"),
        faces={
            "west_east_stag": "west_east",
            "south_north_stag": "south_north",
            "bottom_top_stag": "bottom_top",
        },
        points={"Time": "XTIME"},
        spacings={"west_east": "DX", "south_north": "DY"},
    ),
    Convention("ROMS", ("xi_rho", "eta_rho"), points={"xi_rho": "x_rho", "eta_rho": "y_rho"}),
    Convention("MITgcm", ("X", "Xp1"), faces={"Xp1": "X", "Yp1": "Y", "Zp1": "Z"}),
)
"""Sources: the registries and manuals of the programs, https://www2.mmm.ucar.edu/people/bryan/cm1,
https://github.com/wrf-model/WRF, https://www.myroms.org, https://mitgcm.readthedocs.io."""

_PLANE = 1 << 26
"""Most points of a plane whose rows are compared."""

_LATITUDE_LONGITUDE = 6
"""The value of MAP_PROJ of WRF at which DX is an angle."""


def conventional(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset with its fields on the centres of cells, and with the points of its axes.

    A dataset of no program of the table is returned as it is.
    """
    fitting = [c for c in CONVENTIONS if dataset.sizes.keys() >= set(c.signs)]
    if not fitting:
        return dataset
    convention = fitting[0]
    points = {dim: _line(dataset, dim, name) for dim, name in convention.points.items()}
    if dataset.attrs.get("MAP_PROJ") != _LATITUDE_LONGITUDE:
        for dim, name in convention.spacings.items():
            if name in dataset.attrs:
                values = float(dataset.attrs[name]) * np.arange(dataset.sizes[dim])
                points[dim] = xr.Variable((dim,), values, {"units": "m"})
    faces = {
        faces: cells
        for faces, cells in convention.faces.items()
        if faces in dataset.sizes and dataset.sizes[faces] == dataset.sizes.get(cells, 0) + 1
    }
    used = {dim: points[dim] for dim in points if points[dim] is not None}
    names = {*used, *(convention.points[dim] for dim in used if dim in convention.points)}
    dataset = dataset.drop_vars([name for name in names if name in dataset.variables])
    dataset = dataset.assign_coords(xr.Coordinates(used, indexes={}))
    return centred(dataset, faces) if faces else dataset


def _line(dataset: xr.Dataset, dim: str, name: str) -> xr.Variable | None:
    """Return the points of a dim; a variable with two dims has them if all its lines are equal."""
    variable = dataset.variables.get(name)
    if variable is None or dim not in variable.dims or variable.ndim > 2 or variable.size > _PLANE:
        return None
    values = np.moveaxis(np.asarray(variable.values), variable.dims.index(dim), -1)
    lines = values.reshape(-1, values.shape[-1])
    if not np.allclose(lines, lines[0], rtol=1e-6, atol=1e-9 * float(np.ptp(lines))):
        return None
    return xr.Variable((dim,), lines[0].astype(np.float64), variable.attrs)


def centred(dataset: xr.Dataset, faces_of: Mapping[str, str]) -> xr.Dataset:
    """Move variables from the faces of cells to their centres, by the mean of both faces.

    Values are read when they are used; those in memory are averaged at once.

    Args:
        dataset: the dataset.
        faces_of: the dimension of the centres by the dimension of the faces, such as
            `{"xu": "x"}`. Faces are one more than centres.

    Raises:
        ReadError: a dimension is missing, or has another number of faces.
    """
    for faces, cells in faces_of.items():
        counts = {dim: dataset.sizes.get(dim, 0) for dim in (faces, cells)}
        if not counts[cells] or counts[faces] != counts[cells] + 1:
            rule = f"staggered {{{faces!r}: {cells!r}}} needs one face more than centres: {counts}"
            raise ReadError("dataset", rule, "Interpolate such a grid with xgcm")
        moved = {
            name: _mean_of_faces(variable, faces, cells)
            for name, variable in dataset.variables.items()
            if faces in variable.dims and variable.dims != (faces,)
        }
        dataset = dataset.drop_dims(faces).assign(moved)
    return dataset


def _mean_of_faces(variable: xr.Variable, faces: str, cells: str) -> xr.Variable:
    lazy = variable if variable._in_memory else variable.chunk()
    low, high = (lazy.isel({faces: part}) for part in (slice(None, -1), slice(1, None)))
    mean = (low + high) / 2
    dims = [cells if dim == faces else dim for dim in variable.dims]
    return xr.Variable(dims, mean.data, {**variable.attrs, AVERAGED: faces})
