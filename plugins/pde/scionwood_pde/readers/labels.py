"""How a dataset names and describes its states, so that a result is described in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self, final

import numpy as np
import xarray as xr

from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.variables import is_dates, points_of

_OF_CHUNKS = ("source", "original_shape", "chunks", "chunksizes", "preferred_chunks", "shards")
"""Entries of an encoding that belong to a file, and not to the values."""


@final
@dataclass(frozen=True)
class Labels:
    """Dims, coordinates, attributes and encodings of a dataset.

    Args:
        roles: the role of each dim that has one.
        fields: for each channel, the dims, the attributes and the encoding of its variable.
        attrs: attributes of the dataset.
        coords: all coordinates; empty if they lie in the dataset of latents.
    """

    roles: Mapping[str, str]
    fields: Mapping[str, Mapping[str, Any]]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    coords: Mapping[Any, xr.Variable] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: xr.Dataset, roles: Mapping[str, str], layout: Layout) -> Self:
        """Return the labels of a dataset."""
        fields = {}
        for channel in layout.channels:
            variable = dataset.variables[channel.variable]
            encoding = {k: v for k, v in variable.encoding.items() if k not in _OF_CHUNKS}
            entry = {"attrs": dict(variable.attrs), "encoding": encoding}
            fields[channel.name] = entry | {"dims": [str(d) for d in variable.dims if d in roles]}
        coords = {name: c.variable for name, c in dataset.coords.items()}
        return cls(roles, fields, dict(dataset.attrs), coords)

    @property
    def names(self) -> dict[str, str]:
        """The dim of each role; one that was selected from is a number, and no dim any more."""
        scalars = {name for name, variable in self.coords.items() if not variable.dims}
        return {role: dim for dim, role in self.roles.items() if dim not in scalars}

    def card(self) -> dict[str, Any]:
        """Return all but the coordinates as values that JSON can hold."""
        plain: dict[str, Any] = _plain(
            {"roles": self.roles, "fields": self.fields, "attrs": self.attrs}
        )
        return plain

    def restored(self, result: xr.Dataset, times: np.ndarray | None = None) -> xr.Dataset:
        """Return fields under the dims of the dataset, in their order, as it describes them.

        A sample or a time that the dataset has no dim for is dropped.

        Args:
            result: fields over `sample`, `time`, `x`, `y`, `z`.
            times: times of the dataset as numbers; other times of the result become new ones.
        """
        names = {role: dim for role, dim in self.names.items() if role in result.dims}
        single = {role: 0 for role in ("sample", "time") if role not in names}
        result = result.isel({role: 0 for role in single if result.sizes.get(role) == 1}, drop=True)
        fields = {}
        for name, variable in ((str(n), v.variable) for n, v in result.data_vars.items()):
            entry = self.fields.get(name, {})
            dims = [names.get(str(dim), str(dim)) for dim in variable.dims]
            moved = xr.Variable(dims, variable.data, {**variable.attrs, **entry.get("attrs", {})})
            order = [dim for dim in entry.get("dims", ()) if dim in dims]
            others = [dim for dim in dims if dim not in order]
            moved = moved.transpose(*others, *order)
            moved.encoding = dict(entry.get("encoding", {}))
            fields[name] = moved
        sizes = {dim: n for variable in fields.values() for dim, n in variable.sizes.items()}
        time = names.get("time")
        new = self._new_times(result, time, times)
        coords = {
            name: variable.isel({time: slice(sizes[time])}) if time in variable.dims else variable
            for name, variable in self.coords.items()
            if not (new and time in variable.dims)
        }
        fitting = {
            name: variable
            for name, variable in (coords | new).items()
            if name not in fields and all(sizes.get(d) == n for d, n in variable.sizes.items())
        }
        return xr.Dataset(fields, fitting, {**self.attrs, **result.attrs})

    def _new_times(
        self, result: xr.Dataset, time: str | None, times: np.ndarray | None
    ) -> dict[Any, xr.Variable]:
        """Return the coordinate of times that differ from those of the dataset; else nothing."""
        if time is None or times is None or "time" not in result.coords:
            return {}
        numbers = np.asarray(result["time"].values, np.float64)
        if len(numbers) <= len(times) and np.array_equal(numbers, times[: len(numbers)]):
            return {}
        before = self.coords.get(time)
        attrs = result["time"].attrs if before is None else before.attrs
        values: Any = numbers
        if before is not None and is_dates(np.asarray(before.values)):
            first = np.asarray(before.values)[0]
            steps = [timedelta(seconds=round(float(n), 6)) for n in numbers]
            values = np.array([first + np.timedelta64(s) for s in steps])
            if not isinstance(first, np.generic):  # a date of cftime
                values = np.array([first + step for step in steps], object)
        variable = xr.Variable((time,), values, attrs)
        variable.encoding = {} if before is None else dict(before.encoding)
        return {time: variable}

    def on_latents(self, latents: xr.Dataset) -> xr.Dataset:
        """Return latents with the dims of samples and times of the dataset, and all coordinates."""
        for role in ("sample", "time"):
            if role not in self.names and latents.sizes.get(role) == 1:
                latents = latents.isel({role: 0}, drop=True)
        latents = latents.drop_vars([r for r in ("time",) if r in latents.coords])
        latents = latents.rename_dims(
            {role: dim for role, dim in self.names.items() if role in latents.dims and role != dim}
        )
        taken_names = {*latents.variables, *latents.dims} - {*latents.coords}
        coords = {n: v for n, v in self.coords.items() if n not in taken_names or n in self.roles}
        return latents.assign_coords(coords).assign_attrs(labels=self.card())

    @classmethod
    def of_latents(cls, latents: xr.Dataset) -> Self | None:
        """Return the labels of latents, with the coordinates that are left, if they have any."""
        card = latents.attrs.get("labels")
        if card is None:
            return None
        cells = {"channel", "unit", "i", "j", "k"}
        coords = {name: c.variable for name, c in latents.coords.items() if name not in cells}
        return cls(card["roles"], card["fields"], card["attrs"], coords)

    def canonical(self, latents: xr.Dataset) -> xr.Dataset:
        """Return latents over `sample`, `time` and the rest, whatever the dataset calls them."""
        names = {dim: role for role, dim in self.names.items() if role in ("sample", "time")}
        time = self.names.get("time")
        numbers = None
        if time is not None and time in latents.dims:
            numbers = points_of(latents.variables.get(time), "time", latents.sizes[time])
        bare = latents.drop_vars([n for n in latents.coords if n not in ("channel", "unit")])
        bare = bare.rename_dims({d: r for d, r in names.items() if d in bare.dims and d != r})
        bare = bare.expand_dims([role for role in ("sample", "time") if role not in bare.dims])
        return bare if numbers is None else bare.assign_coords(time=("time", numbers))


def _plain(value: Any) -> Any:
    """Return a value as numbers, texts, lists and dicts."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
