"""States from a dataset in memory or of dask, and results under its dims again."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import final

import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood_pde.readers.conventions import conventional
from scionwood_pde.readers.labels import Labels
from scionwood_pde.readers.layout import AXES
from scionwood_pde.readers.placing import roles_of
from scionwood_pde.readers.states import DASK, LEADING, checked, labelled, lazy_states, window_of
from scionwood_pde.readers.variables import layout_from, variables_of


@final
class DatasetSource:
    """The fields of a dataset, found by their dims and coordinates; values are read when used.

    Args:
        data: a dataset, or one array.
        fields: names of the channels to read, in the order wanted. `None` means all channels.
        solids: NaN marks solid points.
        dims: the dimension for `sample`, `time`, `x`, `y` or `z`; see `readers.placing`.
        rename: new names of channels by their present ones.

    Attributes:
        layout: samples, times, grid and channels.
        roles: the role of each dimension that has one.

    Raises:
        ReadError: a dimension has no place, a field lies on other points, or the grid is not
            regular; the message names it.

    Warns:
        UserWarning: a variable is a number or a line, such as a series of times, and is left out,
            while `fields` names no channels.
    """

    def __init__(
        self,
        data: xr.Dataset | xr.DataArray,
        *,
        fields: Sequence[str] | None = None,
        solids: bool = False,
        dims: Mapping[str, str] | None = None,
        rename: Mapping[str, str] | None = None,
    ) -> None:
        name, dataset = _as_dataset(data)
        self.path, self.solids, self.dataset = Path(name), solids, conventional(dataset)
        names = [*map(str, dataset.data_vars), *map(str, dataset.coords)]
        if len(set(names)) < len(names):
            raise ReadError(
                name, f"two of its variables {names} have one name as texts", "Rename one"
            )
        self.variables = variables_of(self.dataset)
        self.roles = roles_of(self.variables, dims, name)
        layout = layout_from(self.dataset, self.path, "xarray", dims)
        layout = layout.renamed(self.path, rename or {})
        layout.check(self.path)
        self.layout = layout.selected(self.path, fields)
        read = {channel.variable for channel in layout.channels}
        lines = [f"{n} {v.dims}" for n, v in self.dataset.data_vars.items() if str(n) not in read]
        if fields is None and lines:
            sentence = (
                f"{name}: left out, since they are no fields over all axes: {', '.join(lines)}"
            )
            warnings.warn(f"{sentence}. Name the channels with fields, or drop them", stacklevel=4)

    def frames(
        self,
        places: Iterable[tuple[int, int]],
        window: Sequence[slice] | None = None,
        channels: Sequence[int] | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield the same part of many states; see `StatesReader.frames`."""
        source = (self.layout, self.path, "xarray", self.solids)
        for place in places:
            yield window_of(self.variables, source, place, window, channels)

    def states(self) -> xr.DataArray:
        """Return the fields as states: arrays of dask if one of them is, else read when used."""
        arrays = {c.variable: self.variables[c.variable] for c in self.layout.channels}
        if not any(variable.chunks for variable in arrays.values()):
            return lazy_states(self)
        space = ("sample", "time", *self.layout.axes)
        shape = (self.layout.samples, len(self.layout.times), *self.layout.sides)
        parts = []
        for number, channel in enumerate(self.layout.channels):
            index = tuple(a if isinstance(a, int) else slice(None) for a in channel.axes)
            array = DASK.asarray(arrays[channel.variable].data)[index]
            stored = [axis for axis in channel.axes if not isinstance(axis, int)]
            array = array.transpose([stored.index(axis) for axis in space if axis in stored])
            wide = array[tuple(slice(None) if axis in stored else None for axis in space)]
            source = (self.layout, self.path, "xarray", self.solids)
            parts.append(
                DASK.broadcast_to(wide, shape)
                .astype(self.layout.dtype)
                .map_blocks(checked, source, number, dtype=self.layout.dtype)
            )
        return labelled(DASK.stack(parts, axis=len(LEADING) - 1), self.layout)

    @property
    def labels(self) -> Labels:
        """How the dataset names and describes its states."""
        return Labels.of(self.dataset, self.roles, self.layout)


def states_of(
    data: xr.Dataset | xr.DataArray,
    *,
    fields: Sequence[str] | None = None,
    solids: bool = False,
    dims: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
) -> xr.DataArray:
    """Return any dataset or array as states, the form of `readers.states`.

    Args:
        data: see `DatasetSource`.
        fields: see `DatasetSource`.
        solids: see `DatasetSource`.
        dims: see `DatasetSource`.
        rename: see `DatasetSource`.

    Raises:
        ReadError: see `DatasetSource`.

    Example:
        >>> flow = xr.Dataset({"speed": (("t", "ny", "nx"), np.ones((2, 4, 4)), {"units": "m/s"})})
        >>> states_of(flow).dims
        ('sample', 'time', 'channel', 'x', 'y')
    """
    options = {"fields": fields, "solids": solids, "dims": dims, "rename": rename}
    if is_states(data) and not any(options.values()):
        return data if isinstance(data, xr.DataArray) else data.to_dataarray()
    source = DatasetSource(data, fields=fields, solids=solids, dims=dims, rename=rename)
    return source.states()


def is_states(data: xr.Dataset | xr.DataArray) -> bool:
    """Return whether an array is in the form of `readers.states` already."""
    axes = tuple(str(dim) for dim in data.dims)[len(LEADING) :]
    labels = {"channel", "unit", "time", *axes}
    has_axes = isinstance(data, xr.DataArray) and tuple(data.dims) == (*LEADING, *AXES[: len(axes)])
    return has_axes and len(axes) > 0 and labels <= set(data.coords)


def _as_dataset(data: xr.Dataset | xr.DataArray) -> tuple[str, xr.Dataset]:
    if isinstance(data, xr.DataArray):
        name = "field" if data.name is None else str(data.name)
        if name in data.coords:
            rule = "the array has the name of one of its coordinates"
            raise ReadError(name, rule, "Rename it, such as data.rename('field')")
        return name, data.to_dataset(name=name).assign_attrs(data.attrs)
    return str(data.encoding.get("source", "dataset")), data
