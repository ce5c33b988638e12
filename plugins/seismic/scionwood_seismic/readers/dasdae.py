"""Read the two layouts of HDF5 that DASCore opens with PyTables, by h5py alone.

PyTables unpickles the attributes of every object that it opens. Here an attribute that is a pickle
is decoded by `pickled.plain`, and the objects are DASCore's, so that patches equal those that
DASCore reads itself.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dascore as dc
import h5py
import numpy as np
from dascore.core import get_coord, get_coord_manager

from scionwood_seismic.readers.hdf5 import attribute

Span = tuple[Any, Any] | None
"""The first and the last time of the samples that are read; `None` means all."""

_ATTRIBUTE, _COORD, _DIMS = "_attrs_", "_coord_", "_cdims_"
_SAMPLES, _TIMES = {"raw", "data"}, {"timestamp", "time", "timestamps"}
_OF_PYTABLES = {"CLASS", "PYTABLES_FORMAT_VERSION", "TITLE", "VERSION", "FILTERS"}
_UNITS = {"is_datetime64": "datetime64[ns]", "is_timedelta64": "timedelta64[ns]"}


def scan(path: Path, name: str) -> list[dc.PatchAttrs]:
    """Return the summaries of the patches of a file, without reading samples.

    Args:
        path: the file.
        name: `DASDAE` or `H5Simple`.

    Raises:
        ReadError: an attribute is a pickle of more than plain values.
        Exception: the file is damaged.
    """
    with h5py.File(path) as file:
        if name == "DASDAE":
            return [_summary(group)[0] for group in _groups(file)]
        attrs, coords, _ = _simple(file)
        return [dc.PatchAttrs(**attrs, coords=coords.to_summary_dict())]


def read(path: Path, name: str, time: Span = None) -> list[dc.Patch]:
    """Return the patches of a file, without those that have no sample in a span of time.

    Raises:
        ReadError: an attribute is a pickle of more than plain values.
        Exception: the file is damaged.
    """
    patches: list[dc.Patch] = []
    with h5py.File(path) as file:
        parts = map(_dasdae, _groups(file)) if name == "DASDAE" else [_simple(file)]
        for attrs, coords, data in parts:
            if time is not None:
                coords, data = coords.select(array=data, time=time)
            if time is None or np.size(data):
                dims = coords.dims
                patches.append(dc.Patch(data=data[()], coords=coords, dims=dims, attrs=attrs))
    return patches


def _groups(file: h5py.File) -> Iterator[h5py.Group]:
    yield from file.get("waveforms", {}).values()


def _summary(group: h5py.Group) -> tuple[dc.PatchAttrs, Any]:
    """Return the attributes of a patch, and its coordinates if the file keeps them apart."""
    if not group.attrs.get("__attrs_coords_separate__", False):
        names = [name for name in group.attrs if name.startswith(_ATTRIBUTE)]
        attributes = {name.removeprefix(_ATTRIBUTE): attribute(group, name) for name in names}
        return _attrs({"dims": _text(group, "_dims"), **attributes}), None
    attrs = _attrs({**_separate(group), "dims": _text(group, "_dims")})
    coords = {}
    for name, node in _coordinates(group):
        step = node.attrs.get("step")
        if node.attrs.get("step_is_timedelta64", False):
            step = np.timedelta64(int(step), "ns")
        units = _text(node, "units") if "units" in node.attrs else None
        coords[name] = (
            _axes(group, _DIMS + name),
            get_coord(data=_values(node), units=units, step=step),
        )
    manager = get_coord_manager(coords, dims=attrs.dim_tuple)
    return attrs.update(coords=manager), manager


def _separate(group: h5py.Group) -> dict[str, Any]:
    """Return the attributes of a patch of the layout without pickles."""
    attributes: dict[str, Any] = {}
    for key in group.attrs:
        if not key.startswith(_ATTRIBUTE):
            continue
        name, value = key.removeprefix(_ATTRIBUTE), attribute(group, key)
        kind = _text(group, f"_attr_type_{name}") if f"_attr_type_{name}" in group.attrs else ""
        if kind == "none":
            value = None
        elif kind in _UNITS.values():
            value = np.asarray(value, "int64").view(kind)[()]
        elif kind == "history_json":
            value = tuple(json.loads(value))
        attributes[name] = value
    return attributes


def _dasdae(group: h5py.Group) -> tuple[dc.PatchAttrs, Any, Any]:
    """Return the attributes, the coordinates and the data set of a patch."""
    attrs, coords = _summary(group)
    if coords is None:
        arrays = {}
        for name, node in _coordinates(group):
            if _DIMS + name in group.attrs:
                units, step = (getattr(attrs, f"{name}_{end}", None) for end in ("units", "step"))
                coord = get_coord(data=_values(node), units=units, step=step)
                arrays[name] = _axes(group, _DIMS + name), coord
        coords = get_coord_manager(arrays, dims=_axes(group, "_dims"))
    return attrs, coords, group["data"]


def _simple(file: h5py.File) -> tuple[dict[str, Any], Any, Any]:
    """Return the attributes, the coordinates and the data set of a file of arrays at its root."""
    attrs = {name: attribute(file, name) for name in file.attrs if name not in _OF_PYTABLES}
    arrays = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
    (samples,), (times,) = (sorted(arrays.keys() & names) for names in (_SAMPLES, _TIMES))
    data = arrays.pop(samples)
    lines = {name: item for name, item in arrays.items() if name not in _TIMES and item.ndim == 1}
    lines["time"] = arrays[times]
    dims = attrs.pop("dims", None)
    dims = dims.split(",") if dims else _named_by_length(lines, data)
    coords = get_coord_manager({name: _even(name, line) for name, line in lines.items()}, dims=dims)
    format_attrs = {"file_format": "H5Simple", "file_version": "1", "dims": coords.dims}
    return {**attrs, **format_attrs}, coords, data


def _named_by_length(lines: dict[str, Any], data: h5py.Dataset) -> tuple[str, ...]:
    """Return the axes of an array by the lengths of its coordinates; one may be missing."""
    names = {len(line): name for name, line in lines.items()}
    missing = [side for side in data.shape if side not in names]
    if len(set(data.shape)) < data.ndim or len(missing) > 1:
        raise ValueError("the lengths of its arrays do not tell which axis is time")
    for side in missing:
        names[side], lines["channel"] = "channel", np.arange(side)
    return tuple(names[side] for side in data.shape)


def _even(name: str, line: Any) -> Any:
    """Return a coordinate as evenly spaced between its ends, as DASCore does for this format."""
    ends = [dc.to_datetime64(line[at]) if name == "time" else line[at] for at in (0, -1)]
    step = (ends[1] - ends[0]) / (len(line) - 1)
    return get_coord(min=ends[0], max=ends[1] + step, step=step)


def _attrs(attributes: dict[str, Any]) -> dc.PatchAttrs:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old files have other names of steps
        return dc.PatchAttrs(**attributes)


def _coordinates(group: h5py.Group) -> list[tuple[str, h5py.Dataset]]:
    items = group.items()
    return [(key.removeprefix(_COORD), node) for key, node in items if key.startswith(_COORD)]


def _values(node: h5py.Dataset) -> np.ndarray:
    kinds = [kind for flag, kind in _UNITS.items() if node.attrs.get(flag, False)]
    values: np.ndarray = node[()]
    return values.view(kinds[0]) if kinds else values


def _axes(group: h5py.Group, name: str) -> tuple[str, ...]:
    return tuple(filter(None, _text(group, name).split(",")))


def _text(item: h5py.Group | h5py.Dataset, name: str) -> str:
    return str(attribute(item, name))
