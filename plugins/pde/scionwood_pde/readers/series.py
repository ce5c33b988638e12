"""The table of HDF5 layouts: which paths of a file hold which fields, samples and times."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood_pde.readers.layout import AXES, EQUATION, check_size
from scionwood_pde.readers.lazy import (
    COMPONENTS,
    components,
    dataset_of,
    line,
    relabelled,
    stacked,
    variable_of,
)

Variables = dict[str, xr.Variable]


@final
@dataclass(frozen=True)
class Series:
    """The layout of one program, whose paths say which field, sample or time an array holds.

    Args:
        program: the name of the program.
        arrays: the axes of arrays by a pattern of their paths. The groups `name`, `sample` and
            `time` of the pattern say what an array is; arrays of several samples or times are
            stacked. `component` is the axis of a vector, `field` one of fields without names.
            Arrays in fewer dimensions lack the last ones of space.
        lines: the path of the points of an axis.
        needs: paths that only files of this program have.
        names: the name of a field by that in the file.
        strict: arrays that match no pattern are fields on other points, which are named.
        complete: changes the variables, once they are made, by what else the file holds.
    """

    program: str
    arrays: Mapping[str, str]
    lines: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    names: Callable[[str], str] = str
    strict: bool = False
    complete: Callable[[h5py.File, Variables], dict[str, Any]] = lambda file, variables: {}

    def __call__(self, path: Path, file: h5py.File) -> xr.Dataset | None:
        """Return the dataset of a file, or `None` if it has another layout.

        Raises:
            ReadError: a field lacks a sample or a time, or a shape does not fit.
        """
        if not all(name in file for name in self.needs):
            return None
        arrays = arrays_of(file)
        variables: Variables = {}
        used: set[str] = set()
        for pattern, axes in self.arrays.items():
            by_name: dict[str, dict[tuple[int, int], h5py.Dataset]] = defaultdict(dict)
            for key, array in arrays.items():
                match = re.fullmatch(pattern, key)
                # An array of NetCDF may have the name of one of PDEBench, but its axes are named.
                if match and not (self.strict and any(len(dim) for dim in array.dims)):
                    groups = match.groupdict()
                    place = (int(groups.get("sample", 0)), int(groups.get("time", 0)))
                    by_name[groups.get("name", "data")][place] = array
                    used.add(key)
            for name, by_place in by_name.items():
                variables |= self._variables(path, name, by_place, (pattern, axes))
        if not variables:
            return None
        others = {n: array for n, array in arrays.items() if n not in used and array.ndim > 1}
        for name, array in others.items() if self.strict else ():
            variables[name] = variable_of(array, [f"{name} {i}" for i in range(array.ndim)])
        sizes = {dim: n for variable in variables.values() for dim, n in variable.sizes.items()}
        for axis, key in self.lines.items():
            if axis in sizes and key in file:
                variables[axis] = points(path, file[key], axis, sizes[axis])
        return dataset_of(path, variables, self.complete(file, variables))

    def _variables(
        self,
        path: Path,
        name: str,
        by_place: Mapping[tuple[int, int], h5py.Dataset],
        row: tuple[str, str],
    ) -> Variables:
        """Return the variables of a field: its components, stacked over samples and times."""
        pattern, axes = row
        samples, times = (sorted(set(numbers)) for numbers in zip(*by_place, strict=True))
        if len(by_place) != len(samples) * len(times):
            rule = f"{name} has {len(by_place)} arrays for {len(samples)} samples and {len(times)}"
            raise ReadError(str(path), f"{rule} times", "Leave out what is not complete")
        dims = _fitting(axes.split(), next(iter(by_place.values())).ndim)
        parts = {place: variable_of(array, dims) for place, array in by_place.items()}
        for array in by_place.values():
            check_stored(path, array)
        variables: Variables = {}
        rows = [parts[sample, times[0]] for sample in samples]
        if "<time>" in pattern:
            series = [[parts[sample, time] for time in times] for sample in samples]
            rows = [stacked(path, "time", steps) for steps in series]
            variables["time"] = line(times, "time")
        variable = stacked(path, "sample", rows) if "<sample>" in pattern else rows[0]
        label = self.names(name)
        for dim, endings in (("component", COMPONENTS), ("field", {})):
            if dim in dims:
                return variables | components(variable, dim, label, endings)
        return variables | {label: variable}


def _fitting(axes: list[str], count: int) -> list[str]:
    """Return the axes of an array with a number of dims, which lacks the last ones of space."""
    left_out = [axis for axis in reversed(AXES) if axis in axes][: max(len(axes) - count, 0)]
    return [axis for axis in axes if axis not in left_out]


def arrays_of(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return the arrays of a file by their paths."""
    arrays: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = item

    file.visititems(visit)
    return arrays


def check_stored(path: Path, array: h5py.Dataset) -> None:
    """Check that all values of an array were written.

    Raises:
        ReadError: values are missing; the message says how many bytes are stored.
    """
    if isinstance(array.name, bytes):  # h5py gives bytes where a name is no UTF-8
        rule = f"HDF5 dataset {array.name!r}: its name is not UTF-8"
        raise ReadError(str(path), rule, "Rename it, or get the file again")
    stored, filters = array.id.get_storage_size(), array.id.get_create_plist().get_nfilters()
    if not stored or (not filters and stored < array.size * array.dtype.itemsize):
        rule = f"HDF5 dataset {array.name} {array.shape} has {stored} bytes stored"
        raise ReadError(str(path), rule, "Its simulation was interrupted: run it again")


def points(path: Path, array: h5py.Dataset, axis: str, size: int | None = None) -> xr.Variable:
    """Return the points of an axis.

    Raises:
        ReadError: the array has more than one axis, or another length than its axis.
    """
    if array.ndim == 2 and axis == "time":  # the same times for each sample
        return line(array[0], axis)
    if array.ndim != 1:
        rule = f"coordinate {array.name} has shape {array.shape}; a coordinate has one axis"
        raise ReadError(str(path), rule, "Put each grid and each series of times into its own file")
    # Compressible flow of PDEBench also lists the end of the last interval.
    longest = size if size is None or axis != "time" else size + 1
    if size is not None and len(array) not in (size, longest):
        rule = f"{array.name} has {len(array)} values; its axis has {size} points"
        raise ReadError(str(path), rule, "Give another file")
    check_size(path, array.shape, array.dtype)
    attrs = {str(k): v for k, v in getattr(array, "attrs", {}).items() if isinstance(v, str)}
    return line(array[:size], axis, attrs)


def text_of(value: Any) -> str:
    """Return an attribute as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _of_pbdl(file: h5py.File, variables: Variables) -> dict[str, Any]:
    """Name the fields, and the times; the file names the equation."""
    attrs, data = file["sims"].attrs, variables["data"]
    labels = [text_of(name) for name in np.atleast_1d(attrs.get("Fields", []))]
    if len(labels) != data.sizes["channel"]:
        labels = [f"field_{i}" for i in range(data.sizes["channel"])]
    labels = [re.sub(r"\W+", "_", label.strip().lower()) for label in labels]
    variables["channel"] = xr.Variable(("channel",), np.array(labels, object))
    step = float(np.atleast_1d(attrs.get("Dt", 1.0))[0])
    variables["time"] = line(step * np.arange(data.sizes["time"]), "time")
    return {EQUATION: text_of(attrs.get("PDE", "unknown"))}


def _of_fluidsim(file: h5py.File, variables: Variables) -> dict[str, Any]:
    """Add the points of the periodic box, and the time of the state."""
    lengths = getattr(file.get("info_simul/params/oper"), "attrs", {})
    for axis, count in next(iter(variables.values())).sizes.items():
        if f"L{axis}" in lengths:
            values = np.arange(count) * float(lengths[f"L{axis}"]) / count
            variables[str(axis)] = line(values, str(axis), {"boundary": "periodic"})
    variables["time"] = line([float(file["state_phys"].attrs.get("time", 0.0))], "time")
    return {}


def _of_groups(file: h5py.File, variables: Variables) -> dict[str, Any]:
    """Put x and y in order: the simulator of diffusion-reaction writes rows along y."""
    first = next(iter(variables.values()))
    grids = file.get(f"{min(name for name in file if name.isdigit())}/grid", {})
    lengths = {axis: grids[axis].size for axis in AXES if axis in grids}
    space = [str(dim) for dim in first.dims if dim in AXES]
    swapped: dict[Any, str] = dict(zip(space, reversed(space), strict=True))

    def fits(names: Mapping[Any, Any]) -> bool:
        return all(lengths.get(names[d], first.sizes[d]) == first.sizes[d] for d in space)

    if fits(swapped) and not fits({d: d for d in space}):
        for name, variable in variables.items():
            dims = [str(swapped.get(dim, dim)) for dim in variable.dims]
            variables[name] = relabelled(variable, dims)
    for axis in ("time", *space):
        if axis[0] in grids:
            variables[str(axis)] = points(Path(file.filename), grids[axis[0]], str(axis))
    return {}


PDEBENCH = Series(
    "PDEBench",
    {
        r"(?P<name>density)": "sample time x y z",
        r"(?P<name>pressure)": "sample time x y z",
        r"(?P<name>V[xyz])": "sample time x y z",
        r"(?P<name>tensor)": "sample time x y z",
        r"(?P<name>nu)": "sample x y z",
    },
    lines={"time": "t-coordinate", **{axis: f"{axis}-coordinate" for axis in AXES}},
    names=lambda name: {"Vx": "V_x", "Vy": "V_y", "Vz": "V_z"}.get(name, name),
    strict=True,
)
"""One array for each field; the coefficient `nu` of Darcy flow does not change in time."""

SERIES = (
    Series(
        "JHTDB",
        {r"(?P<name>[A-Za-z]+)_(?P<time>\d+)": "z y x component"},
        lines={axis: f"{axis}coor" for axis in AXES},
        needs=("xcoor", "ycoor", "zcoor"),
        names=str.lower,
    ),
    Series("PBDL", {r"sims/sim(?P<sample>\d+)": "time channel x y z"}, complete=_of_pbdl),
    Series("fluidsim", {r"state_phys/(?P<name>\w+)": "z y x"}, complete=_of_fluidsim),
    Series(
        "PDEBench, groups",
        {r"(?P<sample>\d+)/data": "time x y z field"},
        complete=_of_groups,
    ),
    Series(
        "PDEBench, incompressible",
        {
            r"(?P<name>velocity)": "sample time x y component",
            r"(?P<name>particles)": "sample time x y component",
            r"(?P<name>force)": "sample x y component",
        },
        lines={"time": "t"},
        needs=("velocity", "t"),
    ),
)
"""Sources: https://turbulence.idies.jhu.edu, https://github.com/tum-pbs/pbdl-dataset,
https://fluidsim.readthedocs.io, https://github.com/pdebench/PDEBench."""
