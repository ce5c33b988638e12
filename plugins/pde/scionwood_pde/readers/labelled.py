"""Files whose arrays have named dims and which xarray opens: NetCDF and Zarr."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
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
            yield _Variables({n: variables[n] for n in [*first, *rest]}, dataset.attrs)

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
        labels = self._labels(variables)
        several = sum("channel" in each.dims for each in fields.values()) > 1
        channels = [
            channel
            for name, each in fields.items()
            for channel in self._channels(name, each, labels, several)
        ]
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

    def _labels(self, variables: Mapping[str, Any]) -> list[tuple[str, str | None]]:
        """Return names and units along `channel`, if coordinates of xarray hold them."""
        found = {}
        for name in ("channel", "unit"):
            variable = variables.get(name)
            if variable is not None and variable.dims == ("channel",):
                check_size(self.path, variable.shape, variable.dtype)
                found[name] = [str(value) for value in variable.values]
        names = found.get("channel", [])
        return [*zip(names, found.get("unit", [None] * len(names)), strict=True)]

    def _channels(
        self, name: str, variable: Any, labels: Sequence[tuple[str, str | None]], several: bool
    ) -> list[Channel]:
        dims = tuple(str(dim) for dim in variable.dims)
        if not set(dims) <= set(KNOWN):
            rule = f"field {name!r} of this {self.format} file has dims {dims}; known are {KNOWN}"
            raise ReadError(str(self.path), rule, "Rename its dims, or split it")
        unit = str(variable.attrs.get("units", UNKNOWN))
        if "channel" not in dims:
            return [Channel(name, unit, name, dims)]
        known: list[tuple[str, str | None]] = [*labels]
        known = known or [(f"{name}_{i}", None) for i in range(variable.sizes["channel"])]
        return [
            Channel(
                f"{name}_{label}" if several and labels else label,
                own or unit,
                name,
                tuple(i if d == "channel" else d for d in dims),
            )
            for i, (label, own) in enumerate(known)
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


class _Variables(dict[str, Any]):
    """The variables of a file by name, with the attributes of the file."""

    def __init__(self, variables: Mapping[str, Any], attrs: Mapping[str, Any]) -> None:
        super().__init__(variables)
        self.attrs = attrs


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
