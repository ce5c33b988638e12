"""Variables of xarray that are read when they are used, made of other arrays.

Programs put one field into many arrays, or many fields into one. These functions name the dims of
such arrays, stack them, and take them apart, without reading a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from scionwood import ReadError
from scionwood_pde.readers.layout import check_size

COMPONENTS = {1: ("",), 2: ("_x", "_y"), 3: ("_x", "_y", "_z")}
"""Endings of the names of the components of a vector, by their number."""

ARRAY, COMPONENT, SPREAD = "array", "component", "spread"
"""Encoding of a variable: the path of its array in the file, its index along the last axes, and
the axes along which it is stored once."""

Key = Sequence[int | slice]


@final
class Lazy(BackendArray):
    """An array whose parts a function reads, by integers and slices with positive steps."""

    def __init__(self, shape: Sequence[int], dtype: Any, read: Callable[[Key], np.ndarray]) -> None:
        self.shape, self.dtype, self.read = tuple(shape), np.dtype(dtype), read

    def __getitem__(self, key: Any) -> Any:
        basic = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, basic, self.read)


@final
class _Values:
    """A variable whose parts are arrays of numpy."""

    def __init__(self, variable: xr.Variable) -> None:
        self.variable, self.shape, self.dtype = variable, variable.shape, variable.dtype

    def __getitem__(self, key: tuple[int | slice, ...]) -> np.ndarray:
        return np.asarray(self.variable[key].values)


def lazy(
    dims: Sequence[str],
    shape: Sequence[int],
    dtype: Any,
    read: Callable[[Key], np.ndarray],
    attrs: Mapping[str, Any] | None = None,
) -> xr.Variable:
    """Return a variable whose values a function reads."""
    return xr.Variable(dims, indexing.LazilyIndexedArray(Lazy(shape, dtype, read)), attrs)


def variable_of(
    array: Any, dims: Sequence[str], attrs: Mapping[str, Any] | None = None
) -> xr.Variable:
    """Return an array of a file as a variable."""
    read = partial(_read, array)
    variable = lazy(dims, array.shape, array.dtype, read, attrs)
    variable.encoding = {ARRAY: array.name} if hasattr(array, "name") else {}
    return variable


def _read(array: Any, key: Key) -> np.ndarray:
    return np.asarray(array[tuple(key)])


def stacked(path: Path, dim: str, parts: Sequence[xr.Variable]) -> xr.Variable:
    """Return variables of one shape along a new first dim.

    Raises:
        ReadError: their shapes differ.
    """
    shapes = dict.fromkeys(part.shape for part in parts)
    if len(shapes) > 1:
        rule = f"its arrays have the shapes {', '.join(map(str, shapes))}, so they are no series"
        raise ReadError(str(path), rule, "Put each grid into its own file")

    def read(key: Key) -> np.ndarray:
        first, others = key[0], tuple(key[1:])
        if isinstance(first, slice):
            return np.stack([part[others].values for part in parts[first]])
        return np.asarray(parts[first][others].values)

    dtype = np.result_type(*(part.dtype for part in parts))
    shape = (len(parts), *parts[0].shape)
    return lazy((dim, *map(str, parts[0].dims)), shape, dtype, read, parts[0].attrs)


def components(
    variable: xr.Variable,
    dim: str,
    name: str,
    endings: Mapping[int, Sequence[str]] = COMPONENTS,
) -> dict[str, xr.Variable]:
    """Return the components of a vector along a dim by their names: `u_x` and so on, or `u_0`."""
    count = variable.sizes[dim]
    labels = endings.get(count) or [f"_{i}" for i in range(count)]
    return {name + label: variable.isel({dim: i}) for i, label in enumerate(labels)}


def spread(variable: xr.Variable, lengths: Mapping[str, int]) -> xr.Variable:
    """Return a variable that is the same at each place of further dims, which come last."""
    shape = (*variable.shape, *lengths.values())

    def read(key: Key) -> np.ndarray:
        values = np.asarray(variable[tuple(key[: variable.ndim])].values)
        pairs = zip(key, shape, strict=True)
        more = [len(range(*k.indices(n))) for k, n in pairs if isinstance(k, slice)]
        return np.broadcast_to(
            values.reshape(values.shape + (1,) * (len(more) - values.ndim)), more
        )

    return lazy((*map(str, variable.dims), *lengths), shape, variable.dtype, read, variable.attrs)


def relabelled(variable: xr.Variable, dims: Sequence[str]) -> xr.Variable:
    """Return a variable with other names of dims."""
    return variable_of(_Values(variable), dims, variable.attrs)


def line(values: Any, dim: str, attrs: Mapping[str, Any] | None = None) -> xr.Variable:
    """Return the coordinate of a dim from its points."""
    return xr.Variable((dim,), np.asarray(values, np.float64), attrs)


def gathered(path: Path, points: np.ndarray, kind: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the axes of points that form a regular grid, and their order in it.

    Args:
        path: the file in messages.
        points: (point, 3), such as the centres of the cells of a mesh, in any order.
        kind: what the points are, in messages.

    Returns:
        The points along x, y and z, and the numbers of the points in the order (x, y, z).

    Raises:
        ReadError: the points form no regular grid.
    """
    extent = np.ptp(points, axis=0).max() if len(points) else 1.0
    # Centres of cells are computed, so that those of one plane differ by rounding.
    rounded = np.round(points / (extent or 1.0), 6)
    lines = {}
    for i, axis in enumerate("xyz"):
        unique, first = np.unique(rounded[:, i], return_index=True)
        lines[axis] = points[first, i] if len(unique) else points[:0, i]
    # On a regular grid each combination of coordinates occurs once.
    if np.prod([len(values) for values in lines.values()]) != len(points):
        rule = f"the {len(points)} places of its values form no regular grid ({kind})"
        if kind == "StructuredGrid":
            rule = "it is a structured grid whose lines are curves: it is curvilinear"
        raise ReadError(str(path), rule, "Resample it to an image: mesh.sample in pyvista")
    # `lexsort` sorts by its last key first: by x, then y, then z.
    return lines, np.lexsort((rounded[:, 2], rounded[:, 1], rounded[:, 0]))


def on_grid(
    lines: Mapping[str, np.ndarray],
    order: np.ndarray,
    dtype: Any,
    read: Callable[[], np.ndarray],
) -> xr.Variable:
    """Return values of points as a variable over those of x, y, z that have two points or more.

    Args:
        lines: the axes of `gathered`.
        order: the order of `gathered`.
        dtype: type of the values.
        read: returns the values, (point,), whenever a part of them is used.
    """
    dims = [axis for axis, values in lines.items() if len(values) > 1]
    shape = [len(lines[axis]) for axis in dims]
    return lazy(dims, shape, dtype, lambda key: read()[order].reshape(shape)[tuple(key)])


def dataset_of(
    path: Path, variables: Mapping[str, xr.Variable], attrs: Mapping[str, Any] | None = None
) -> xr.Dataset:
    """Return variables as a dataset without indexes, whose sizes are checked before they are read.

    Raises:
        ReadError: a coordinate is larger than the file can hold, or the lengths of a dim differ.
    """
    sizes: dict[Any, int] = {}
    for name, variable in variables.items():
        for dim, size in variable.sizes.items():
            if sizes.setdefault(dim, size) != size:
                listed = {n: v.shape for n, v in variables.items() if dim in v.dims}
                rule = f"its arrays have shapes {listed}; all must have one length of {dim}"
                raise ReadError(str(path), rule, "Put each grid into its own file")
        if variable.dims == (name,):
            check_size(path, variable.shape, variable.dtype)
    lines = {name: variable for name, variable in variables.items() if variable.dims == (name,)}
    fields = {name: variable for name, variable in variables.items() if name not in lines}
    return xr.Dataset(fields, xr.Coordinates(lines, indexes={}), attrs)
