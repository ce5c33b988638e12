"""Files whose arrays have named dims and which xarray opens: NetCDF and Zarr."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.layout import AXES, ORDER, UNKNOWN, Channel, Layout, check_size, native

OPTIONS: Mapping[str, Any] = {
    "chunks": None,  # numpy arrays: dask takes four times as long for a crop
    "cache": False,
    "decode_times": False,
    "create_default_indexes": False,  # indexes would be read before their size is checked
}
"""Options of `xarray.open_dataset`."""

KNOWN = ("sample", "time", "channel", *AXES)


class LabelledReader(StatesReader, ABC):
    """A reader of files with named dims: each variable over all space axes is a field."""

    @abstractmethod
    def _dataset(self) -> AbstractContextManager[xr.Dataset]:
        """Open the file with xarray and `OPTIONS`."""

    @contextmanager
    def _open(self) -> Iterator[Mapping[str, Any]]:
        with self._dataset() as dataset:
            variables = {str(name): each for name, each in dataset.variables.items()}
            listed = np.atleast_1d(dataset.attrs.get(ORDER, []))
            first = [str(name) for name in listed if name in variables]
            rest = sorted(variables.keys() - set(first))  # a folder lists arrays in any order
            yield {name: variables[name] for name in [*first, *rest]}

    def _layout(self, variables: Mapping[str, Any]) -> Layout:
        sizes = {str(dim): n for each in variables.values() for dim, n in each.sizes.items()}
        axes = tuple(axis for axis in AXES if axis in sizes)
        fields = {
            name: each
            for name, each in variables.items()
            if name not in KNOWN and axes and set(axes) <= set(each.dims)
        }
        if not fields or axes != AXES[: len(axes)]:
            dims = {name: each.dims for name, each in variables.items()}
            rule = f"no {self.format} variable has the dims {KNOWN}, or fewer; its dims are {dims}"
            raise ReadError(str(self.path), rule, "Rename its dims")
        points = {axis: self._points(variables, axis, sizes[axis]) for axis in axes}
        channels = [c for name, each in fields.items() for c in self._channels(name, each)]
        return Layout(
            sizes.get("sample", 1),
            self._points(variables, "time", sizes.get("time", 1)),
            points,
            tuple(channels),
            {axis: self._attribute(variables, axis, "units") for axis in ("time", *axes)},
            {axis: self._attribute(variables, axis, "boundary") for axis in axes},
            native([each.dtype for each in fields.values()]),
            _elsewhere(variables, fields.keys()),
        )

    def _channels(self, name: str, variable: Any) -> list[Channel]:
        dims = tuple(str(dim) for dim in variable.dims)
        if not set(dims) <= set(KNOWN):
            rule = f"field {name!r} of this {self.format} file has dims {dims}; known are {KNOWN}"
            raise ReadError(str(self.path), rule, "Rename its dims, or split it")
        unit = str(variable.attrs.get("units", UNKNOWN))
        if "channel" not in dims:
            return [Channel(name, unit, name, dims)]
        count = variable.sizes["channel"]
        return [
            Channel(f"{name}_{i}", unit, name, tuple(i if d == "channel" else d for d in dims))
            for i in range(count)
        ]

    def _points(self, variables: Mapping[str, Any], axis: str, size: int) -> np.ndarray:
        """Return a coordinate, or 0, 1, 2 ... if the file has none."""
        if axis not in variables:
            return np.arange(size, dtype=np.float64)
        variable = variables[axis]
        check_size(self.path, variable.shape, variable.dtype)
        if variable.dims != (axis,):
            rule = f"coordinate {axis} has dims {variable.dims}; they must be ({axis!r},)"
            raise ReadError(str(self.path), rule, "Resample onto a regular grid")
        return np.asarray(variable.values, np.float64)

    def _attribute(self, variables: Mapping[str, Any], axis: str, name: str) -> str:
        """Return an attribute of a coordinate, or `unknown`."""
        coordinate = variables.get(axis)
        return UNKNOWN if coordinate is None else str(coordinate.attrs.get(name, UNKNOWN))


def _elsewhere(variables: Mapping[str, Any], fields: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the variables over two axes or more that are no fields, such as those of a C-grid.

    Bounds of coordinates, as CF names them, are no such variables.
    """
    bounds = {str(each.attrs.get("bounds")) for each in variables.values()}
    out = {}
    for name, variable in variables.items():
        dims = tuple(str(dim) for dim in variable.dims)
        space = set(dims) - {"sample", "time", "channel"}
        named = name in fields or name in KNOWN or name in bounds
        if not named and variable.dtype.kind in "fiu" and len(space) > 1:
            out[name] = dims
    return out
