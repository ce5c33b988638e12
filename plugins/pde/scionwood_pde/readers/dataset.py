"""States from a dataset in memory: what the accessor `.scionwood` and `api` take."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood_pde.readers.base import window_of
from scionwood_pde.readers.layout import AXES, EQUATION, ORDER
from scionwood_pde.readers.placing import roles_of
from scionwood_pde.readers.states import LEADING, lazy_states
from scionwood_pde.readers.variables import layout_from


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
        coordinates: names of the coordinates.

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
        self.path, self.solids = Path(name), solids
        order = [str(n) for n in np.atleast_1d(dataset.attrs.get(ORDER, []))]
        names = [*(n for n in order if n in dataset), *(n for n in dataset if n not in order)]
        self.variables = {str(n): dataset[n].variable for n in [*names, *dataset.coords]}
        self.coordinates = {str(name) for name in dataset.coords}
        if len(self.variables) < len(names) + len(dataset.coords):
            rule = f"two of its variables {names} have one name as texts"
            raise ReadError(name, rule, "Rename one")
        self.roles = roles_of(self.variables, dims, name)
        layout = layout_from(self.variables, self.path, "xarray", dims)
        layout = replace(layout, equation=str(data.attrs.get(EQUATION, layout.equation)))
        layout = layout.renamed(self.path, rename or {})
        layout.check(self.path)
        self.layout = layout.selected(self.path, fields)
        read = {channel.variable for channel in layout.channels}
        lines = [f"{n} {dataset[n].dims}" for n in names if str(n) not in read]
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
    return lazy_states(DatasetSource(data, fields=fields, solids=solids, dims=dims, rename=rename))


def like(result: xr.Dataset, source: DatasetSource) -> xr.Dataset:
    """Return fields made from a dataset under its dims, in their order, with its coordinates.

    Times keep their numbers, unless they are those of the dataset. A sample that the dataset has no
    dimension for is dropped.

    Args:
        result: fields over `sample`, `time`, `x`, `y`, `z`.
        source: the dataset from which they were made.
    """
    names = {role: dim for dim, role in source.roles.items() if role in result.dims}
    lacking = {dim: 0 for dim in ("sample", "time") if dim not in names and result.sizes[dim] == 1}
    result = result.isel(lacking, drop=True).rename(names)
    matching = [variable for name, variable in source.variables.items() if name in result.data_vars]
    order = matching[0].dims if matching else tuple(source.roles)
    result = result.transpose(*(dim for dim in order if dim in result.dims), ...)
    time = names.get("time", "time")
    count = result.sizes.get(time, 0)
    same_times = time not in result.coords or np.array_equal(
        result[time], source.layout.times[:count]
    )

    def part(variable: xr.Variable) -> xr.Variable:
        return variable.isel({time: slice(count)}) if time in variable.dims else variable

    coordinates = {
        name: part(source.variables[name]) for name in source.coordinates - set(result.data_vars)
    }
    return result.assign_coords(
        {
            name: variable
            for name, variable in coordinates.items()
            if all(result.sizes.get(dim) == size for dim, size in variable.sizes.items())
            and (same_times or time not in variable.dims)
        }
    )


def is_states(data: xr.Dataset | xr.DataArray) -> bool:
    """Return whether an array is in the form of `readers.states` already."""
    axes = tuple(str(dim) for dim in data.dims)[len(LEADING) :]
    labels = {"channel", "unit", "time", *axes}
    has_axes = isinstance(data, xr.DataArray) and tuple(data.dims) == (*LEADING, *AXES[: len(axes)])
    return has_axes and len(axes) > 0 and labels <= set(data.coords)


def centred(dataset: xr.Dataset, staggered: Mapping[str, str]) -> xr.Dataset:
    """Move variables from the faces of cells to their centres, by the mean of both faces.

    Args:
        dataset: the dataset.
        staggered: the dimension of the centres by the dimension of the faces, such as
            `{"xu": "x"}`. Faces are one more than centres.

    Raises:
        ReadError: a dimension is missing, or has another number of faces.
    """
    for faces, centres in staggered.items():
        counts = {dim: dataset.sizes.get(dim, 0) for dim in (faces, centres)}
        if not counts[centres] or counts[faces] != counts[centres] + 1:
            rule = (
                f"staggered {{{faces!r}: {centres!r}}} needs one face more than centres: {counts}"
            )
            raise ReadError("dataset", rule, "Interpolate such a grid with xgcm")
        moved = {
            name: _mean_of_faces(variable, faces, centres)
            for name, variable in dataset.data_vars.items()
            if faces in variable.dims
        }
        dataset = dataset.drop_dims(faces).assign(moved)
    return dataset


def _mean_of_faces(array: xr.DataArray, faces: str, centres: str) -> xr.DataArray:
    plain = array.drop_vars([n for n, c in array.coords.items() if faces in c.dims])
    low, high = (plain.isel({faces: part}) for part in (slice(None, -1), slice(1, None)))
    mean: xr.DataArray = ((low + high) / 2).rename({faces: centres}).assign_attrs(array.attrs)
    return mean


def _as_dataset(data: xr.Dataset | xr.DataArray) -> tuple[str, xr.Dataset]:
    if isinstance(data, xr.DataArray):
        name = "field" if data.name is None else str(data.name)
        if name in data.coords:
            rule = "the array has the name of one of its coordinates"
            raise ReadError(name, rule, "Rename it, such as data.rename('field')")
        return name, data.to_dataset(name=name).assign_attrs(data.attrs)
    return str(data.encoding.get("source", "dataset")), data
