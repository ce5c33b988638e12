"""HDF5 files of other programs on regular grids: JHTDB, PBDL, fluidsim, openPMD, plain, and others.

Each layout is a function from an open file to variables with named dims, or to None if the file has
another layout.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np

from scionwood import ReadError
from scionwood.authoring import atomic_path
from scionwood_pde.readers.hdf5 import Hdf5Reader, check_stored
from scionwood_pde.readers.labelled import Variables
from scionwood_pde.readers.layout import AXES, Layout
from scionwood_pde.readers.openpmd import openpmd
from scionwood_pde.readers.parts import Component, Part, ReadOnly, Stacked, coordinate, named_parts
from scionwood_pde.readers.variables import layout_from
from scionwood_pde.readers.write import sample_states

COMPONENTS = {1: ("",), 3: ("_x", "_y", "_z"), 2: ("_x", "_y")}


@final
class GridReader(ReadOnly, Hdf5Reader):
    """A reader of HDF5 files on regular grids that other programs write.

    It knows cutouts of the Johns Hopkins turbulence databases (of the web and of giverny), files of
    PBDL and PDE-Transformer, states of fluidsim, the grouped sets of PDEBench, meshes of openPMD,
    and any other file whose axes are named with `axes`.

    Args:
        path: the file.
        fields: names of the channels to read, in the order wanted. `None` means all.
        axes: the axes of each array of a plain file, in order and separated by blanks, such as
            `{"flow/u": "sample time z y x", "grid/x": "x"}`. `channel` is an axis of components.
            An array along one axis, named like it, holds the points of that axis.

    Shapes: (channel, x, y, z) in the file's precision; fewer space axes if the file has fewer.

    Units: the attributes `units` of the arrays, or `unknown`.

    Raises: ReadError: the layout is unknown, the file is damaged, has external links, lacks a
        field, has axes that do not fit, a side of 1, or holds NaN.

    Source: https://turbulence.idies.jhu.edu, https://github.com/tum-pbs/pbdl-dataset,
        https://fluidsim.readthedocs.io, https://github.com/pdebench/PDEBench,
        https://github.com/openPMD/openPMD-standard.
    """

    suffixes = (".h5", ".hdf5", ".nc")
    format = "HDF5 on a grid"
    takes = ("dims", "axes")

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two short seeded trajectories of a velocity and a density, as PBDL does."""
        states = sample_states()
        with atomic_path(path) as part, h5py.File(part, "w") as file:
            group = file.create_group("sims")
            group.attrs["Fields"] = ["Velocity X", "Velocity Y", "Velocity Z", "Density"]
            group.attrs["Fields Scheme"] = "VVVd"
            for i, run in enumerate(states.values):
                group[f"sim{i}"] = run

    @contextmanager
    def _open(self) -> Iterator[Mapping[str, Any]]:
        with super()._open() as file:
            yield variables_of(self.path, file, self.axes)

    def _layout(self, variables: Mapping[str, Any]) -> Layout:
        return layout_from(variables, self.path, self.format, self.placed)


def variables_of(path: Path, file: h5py.File, axes: Mapping[str, str] | None) -> Variables:
    """Return the variables of a file in any of the layouts.

    Raises:
        ReadError: the layout is unknown, or `axes` does not fit.
    """
    if axes:
        return plain(path, file, axes)
    for layout in LAYOUTS:
        variables = layout(path, file)
        if variables is not None:
            return variables
    arrays = ", ".join(f"{n} {d.shape}" for n, d in arrays_of(file).items())
    rule = f"its layout is unknown; it holds {arrays or 'no arrays'}"
    raise ReadError(str(path), rule, "Name the axes of its arrays: axes={'u': 'time x y z'}")


def knows(path: Path, file: h5py.File) -> bool:
    """Return whether one of the layouts, besides a plain one, fits a file."""
    return any(layout(path, file) is not None for layout in LAYOUTS)


def plain(path: Path, arrays: Mapping[str, Any], axes: Mapping[str, str]) -> Variables:
    """Return the arrays that `axes` names, with its dims.

    Raises:
        ReadError: an array is missing, or has another number of axes.
    """
    parts = {}
    for name, text in axes.items():
        dims = tuple(text.split())
        if name not in arrays:
            raise ReadError(str(path), f"it has no array {name!r}", "Correct axes")
        array = arrays[name]
        if len(dims) != len(array.shape):
            rule = f"array {name!r} has the shape {array.shape}, and axes names {len(dims)}: {text}"
            raise ReadError(str(path), rule, "Name one axis for each length")
        attrs = {str(k): v for k, v in getattr(array, "attrs", {}).items() if isinstance(v, str)}
        part_name = dims[0] if len(dims) == 1 else name.replace("/", "_").strip("_")
        parts[part_name] = Part(array, dims, attrs)
    return named_parts(parts)


def _jhtdb(path: Path, file: h5py.File) -> Variables | None:
    """Cutouts of JHTDB: `Velocity_0001` (z, y, x, component), with `xcoor`, `ycoor`, `zcoor`."""
    series: dict[str, dict[int, Any]] = defaultdict(dict)
    for name, array in file.items():
        match = re.fullmatch(r"([A-Za-z]+)_(\d+)", name)
        if match and isinstance(array, h5py.Dataset) and array.ndim == 4:
            series[match[1].lower()][int(match[2])] = array
    lines = {axis: file.get(f"{axis}coor") for axis in AXES}
    if not series or any(line is None for line in lines.values()):
        return None
    times = sorted(next(iter(series.values())))
    parts: dict[str, Part] = {}
    for name, by_time in series.items():
        if sorted(by_time) != times:
            rule = f"{name} has the times {sorted(by_time)}; another field has {times}"
            raise ReadError(str(path), rule, "Cut out all fields at the same times")
        stacked = Stacked([by_time[time] for time in times], path)
        parts |= _components(path, name, stacked, ("time", "z", "y", "x"))
    parts |= {axis: coordinate(line[()], axis) for axis, line in lines.items()}
    return named_parts(parts | {"time": coordinate(times, "time")})


def _pbdl(path: Path, file: h5py.File) -> Variables | None:
    """Files of PBDL and PDE-Transformer: `sims/sim0` (time, field, x, y, z)."""
    group = file.get("sims")
    if not isinstance(group, h5py.Group):
        return None
    # By number, because `sim10` sorts before `sim2` as text.
    order = sorted(group, key=lambda n: int(re.sub(r"\D", "", n) or 0))
    stacked = Stacked([_stored(path, group[name]) for name in order], path)
    space = AXES[: len(stacked.shape) - 3]
    labels = [str(_text(n)) for n in np.atleast_1d(group.attrs.get("Fields", []))]
    if len(labels) != stacked.shape[2]:
        labels = [f"field_{i}" for i in range(stacked.shape[2])]
    labels = [re.sub(r"\W+", "_", label.strip().lower()) for label in labels]
    step = float(np.atleast_1d(group.attrs.get("Dt", 1.0))[0])
    parts = {
        label: Part(Component(stacked, i, 2), ("sample", "time", *space))
        for i, label in enumerate(labels)
    }
    equation = _text(group.attrs.get("PDE", "unknown"))
    times = {"time": coordinate(step * np.arange(stacked.shape[1]), "time")}
    return named_parts(parts | times, {"equation": equation})


def _fluidsim(path: Path, file: h5py.File) -> Variables | None:
    """States of fluidsim: `state_phys/ux` (z, y, x), at one time; the box is periodic."""
    group = file.get("state_phys")
    if not isinstance(group, h5py.Group):
        return None
    arrays = {n: _stored(path, a) for n, a in group.items() if a.ndim in (2, 3)}
    dims = ("z", "y", "x")[-next(iter(arrays.values())).ndim :]
    parts = {name: Part(array, dims) for name, array in arrays.items()}
    shape = dict(zip(dims, next(iter(arrays.values())).shape, strict=True))
    oper = file.get("info_simul/params/oper")
    for axis in dims:
        length = None if oper is None else oper.attrs.get(f"L{axis}")
        if length is not None:
            points = np.arange(shape[axis]) * float(length) / shape[axis]
            parts[axis] = coordinate(points, axis, {"boundary": "periodic"})
    time = [float(group.attrs.get("time", 0.0))]
    return named_parts(parts | {"time": coordinate(time, "time")})


def _groups(path: Path, file: h5py.File) -> Variables | None:
    """The grouped sets of PDEBench: `0000/data` (time, x, y, field), and `0000/grid/x`."""
    runs = sorted(name for name in file if re.fullmatch(r"\d+", name))
    if not runs or any(f"{name}/data" not in file for name in runs):
        return None
    stacked = Stacked([_stored(path, file[f"{name}/data"]) for name in runs], path)
    space = AXES[: len(stacked.shape) - 3]
    lines = {axis: file.get(f"{runs[0]}/grid/{axis[0]}") for axis in ("time", *space)}
    lines = {axis: line[()] for axis, line in lines.items() if line is not None}
    order = _order(stacked.shape[2:-1], {axis: len(line) for axis, line in lines.items()}, space)
    parts = {
        f"data_{i}": Part(Component(stacked, i), ("sample", "time", *order))
        for i in range(stacked.shape[-1])
    }
    return named_parts(parts | {axis: coordinate(line, axis) for axis, line in lines.items()})


def _order(
    sides: tuple[int, ...], lengths: Mapping[str, int], space: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the order of the axes of space: x first, unless only y, x has the right lengths.

    The simulator of diffusion-reaction writes rows along y, that of shallow water along x.
    """
    fits = [
        tuple(lengths.get(a, n) for a, n in zip(order, sides, strict=True)) == sides
        for order in (space, space[::-1])
    ]
    return space[::-1] if fits == [False, True] else space


def _incompressible(path: Path, file: h5py.File) -> Variables | None:
    """The incompressible set of PDEBench: `velocity` (sample, time, x, y, component)."""
    if "velocity" not in file or "t" not in file or file["velocity"].ndim != 5:
        return None
    parts: dict[str, Part] = {}
    for name in ("velocity", "particles"):
        if name in file:
            dims = ("sample", "time", "x", "y")
            parts |= _components(path, name, _stored(path, file[name]), dims)
    if "force" in file:
        parts |= _components(path, "force", _stored(path, file["force"]), ("sample", "x", "y"))
    # The file repeats the times for each sample.
    times = np.atleast_2d(file["t"][()])[0]
    return named_parts(parts | {"time": coordinate(times, "time")})


def _components(path: Path, name: str, array: Any, dims: tuple[str, ...]) -> dict[str, Part]:
    """Return the components of an array along its last axis."""
    count = array.shape[-1]
    endings: Sequence[str] = COMPONENTS.get(count) or [f"_{i}" for i in range(count)]
    return {name + ending: Part(Component(array, i), dims) for i, ending in enumerate(endings)}


def arrays_of(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return the arrays of a file by their paths, at most 20."""
    arrays: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: Any) -> bool | None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = item
        return True if len(arrays) >= 20 else None

    file.visititems(visit)
    return arrays


def _stored(path: Path, dataset: h5py.Dataset) -> h5py.Dataset:
    check_stored(path, dataset)
    return dataset


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


LAYOUTS: tuple[Callable[[Path, h5py.File], Variables | None], ...] = (
    _jhtdb,
    _pbdl,
    _fluidsim,
    _groups,
    _incompressible,
    openpmd,
)
