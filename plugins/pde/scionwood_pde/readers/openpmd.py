"""Meshes of openPMD in HDF5: `data/100/meshes/E/x`, one group for each time."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood_pde.readers.layout import UNKNOWN
from scionwood_pde.readers.lazy import dataset_of, line, stacked, variable_of
from scionwood_pde.readers.series import Variables, check_stored
from scionwood_pde.readers.series import text_of as _text

DIMENSIONS = ("m", "kg", "s", "A", "K", "mol", "cd")
"""The units of the seven powers in `unitDimension`."""


def openpmd(path: Path, file: h5py.File) -> xr.Dataset | None:
    """Return the meshes of a file, or `None` if it has no attribute `openPMD`.

    Points are in metres and times in seconds, with the `timeOffset` that most fields have; a
    warning names fields of another one. The unit of a field has its factor, such as
    `1e-06 m`. Particles are left out with a warning.

    Raises:
        ReadError: the geometry is not cartesian, a field lacks at a time, the grids of two meshes
            differ, or the name of a time is no whole number.

    Source: openPMD 1.1.0, https://github.com/openPMD/openPMD-standard.
    """
    if "openPMD" not in file.attrs or "data" not in file:
        return None
    steps = sorted(file["data"], key=lambda name: int(name) if name.isdecimal() else -1)
    if steps and not steps[0].isdecimal():
        rule = f"its group data/{steps[0]} is no time step: the names there are whole numbers"
        raise ReadError(str(path), rule, "Rename it, or leave it out")
    base = _text(file.attrs.get("meshesPath", "meshes/")).strip("/")
    places = [file[f"data/{step}"] for step in steps]
    particles = _text(file.attrs.get("particlesPath", "particles/")).strip("/")
    if any(particles in place for place in places):
        warnings.warn(f"{path.name}: its particles are left out: they are no fields", stacklevel=2)
    meshes = [_records(place.get(base, {})) for place in places]
    positions = [tuple(_position(record, mesh)) for mesh, record in meshes[-1].values()]
    common = max(positions, key=positions.count, default=())
    variables: Variables = {}
    lines: dict[str, np.ndarray] = {}
    for name, (mesh, record) in meshes[-1].items():
        if any(name not in step_meshes for step_meshes in meshes):
            rule = f"its mesh {name} lacks at some of the steps {', '.join(steps)}"
            raise ReadError(str(path), rule, "Leave steps out that are not complete")
        arrays = [_array(path, step_meshes[name][1]) for step_meshes in meshes]
        dims, mesh_lines = _axes(path, name, mesh, arrays[0].shape, common)
        for axis, values in mesh_lines.items():
            if not np.array_equal(lines.setdefault(axis, values), values):
                rule = f"the grid of {name} differs from those before along {axis}"
                raise ReadError(str(path), rule, "Put each grid into its own file")
        attrs = {"units": _unit(mesh, record), "position": _position(record, mesh)}
        steps_of = [variable_of(array, dims, attrs) for array in arrays]
        variables[name] = stacked(path, "time", steps_of)
    variables |= {axis: line(values, axis, {"units": "m"}) for axis, values in lines.items()}
    variables["time"] = line(_times(path, places, meshes), "time", {"units": "s"})
    return dataset_of(path, variables)


def _times(path: Path, places: Sequence[Any], meshes: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the times of the steps in seconds, with the offset that most fields have."""
    offsets = {
        name: tuple(float(step[name][0].attrs.get("timeOffset", 0)) for step in meshes)
        for name in meshes[-1]
    }
    values = list(offsets.values())
    common = max(values, key=values.count, default=(0.0,) * len(places))
    if others := sorted(name for name, offset in offsets.items() if offset != common):
        text = f"{path.name}: {', '.join(others)} are of other times than the rest: of timeOffset "
        warnings.warn(f"{text}{offsets[others[0]][0]:g}, not {common[0]:g}", stacklevel=3)
    return [
        (float(place.attrs["time"]) + offset) * float(place.attrs.get("timeUnitSI", 1))
        for place, offset in zip(places, common, strict=True)
    ]


def _records(group: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the mesh and the component of each field, by `E_x` or `rho`."""
    records = {}
    for name, mesh in group.items():
        if isinstance(mesh, h5py.Dataset) or "value" in mesh.attrs:
            records[name] = (mesh, mesh)
        else:
            records |= {f"{name}_{label}": (mesh, component) for label, component in mesh.items()}
    return records


def _array(path: Path, record: Any) -> Any:
    """Return the array of a component, which may be one value for the whole grid."""
    if isinstance(record, h5py.Dataset):
        check_stored(path, record)
        return record
    shape = tuple(int(side) for side in record.attrs["shape"])
    return np.broadcast_to(np.float64(record.attrs["value"]), shape)


def _axes(
    path: Path, name: str, mesh: Any, shape: tuple[int, ...], position: Sequence[float]
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Return the axes of a mesh in the order of its arrays, and their points in metres."""
    geometry = _text(mesh.attrs.get("geometry", "cartesian"))
    if geometry != "cartesian":
        rule = f"its mesh {name} is {geometry}; only cartesian grids are read"
        raise ReadError(str(path), rule, "Resample it onto a regular grid")
    labels = tuple(_text(label) for label in mesh.attrs["axisLabels"])
    scale = float(mesh.attrs.get("gridUnitSI", 1))
    starts = np.asarray(mesh.attrs["gridGlobalOffset"], np.float64)
    steps = np.asarray(mesh.attrs["gridSpacing"], np.float64)
    # The offset is that of the grid; `position` is the place in the cell, as a share of it.
    rows = list(zip(labels, steps, starts + steps * np.asarray(position), strict=True))
    if _text(mesh.attrs.get("dataOrder", "C")) == "F":
        # In Fortran order the labels name the fastest axis first, and arrays have it last.
        rows = rows[::-1]
    lengths = zip(rows, shape, strict=True)
    lines = {a: scale * (low + step * np.arange(n)) for (a, step, low), n in lengths}
    return tuple(lines), lines


def _position(record: Any, mesh: Any) -> np.ndarray:
    """Return the place of a component in its cell, in cells, in the order of `axisLabels`."""
    zero = np.zeros(len(mesh.attrs.get("axisLabels", ())))
    return np.asarray(record.attrs.get("position", zero), np.float64)


def _unit(mesh: Any, record: Any) -> str:
    """Return the unit of a field from the powers of the seven base units, with its factor."""
    powers = np.asarray(mesh.attrs.get("unitDimension", np.zeros(7)))
    unit_powers = zip(DIMENSIONS, powers, strict=True)
    words = [f"{unit}{power:g}" if power != 1 else unit for unit, power in unit_powers if power]
    factor = float(record.attrs.get("unitSI", 1))
    words = [f"{factor:g}", *words] if factor != 1 and words else words
    return " ".join(words) or UNKNOWN
