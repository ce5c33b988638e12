"""Files of numpy: `.npy` of APEBench and others, and scenes of PhiFlow (`.npz`)."""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood.authoring import atomic_folder, atomic_path, check_zip
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.grids import plain
from scionwood_pde.readers.labelled import Variables
from scionwood_pde.readers.layout import AXES, Layout, check_size
from scionwood_pde.readers.parts import (
    Cells,
    Component,
    Part,
    ReadOnly,
    Stacked,
    coordinate,
    named_parts,
)
from scionwood_pde.readers.variables import layout_from
from scionwood_pde.readers.write import sample_states

SMALLEST = 16
"""Fewest points along a side of an array whose axes are not named; channels are fewer."""

ARRAY = "array"
"""The name of the array of a `.npy` file in `axes`."""


@final
class NumpyReader(ReadOnly, StatesReader):
    """A reader of `.npy` files, which have no names: (sample, time, channel, x, y, z), or `axes`.

    The arrays of a `.npz` are read with `axes`.

    Without `axes`, the order is that of APEBench and exponax. It is taken only if all sides are
    equal, 16 or more, and longer than the axis of channels; any other array is refused.

    Args:
        path: the file.
        fields: names of the channels to read: `array_0` and so on. `None` means all.
        axes: the axes in order, `{"array": "time z y x"}`.

    Shapes: (channel, x, y, z) in the file's precision; fewer space axes if the file has fewer.

    Units: `unknown`.

    Raises: ReadError: the file is damaged, holds objects, has other axes, or holds NaN.

    Source: https://github.com/tum-pbs/apebench; numpy.lib.format.
    """

    suffixes = (".npy",)
    format = "npy"
    takes = ("dims", "axes")

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two short seeded trajectories of two fields."""
        values = np.random.default_rng(0).standard_normal((2, 3, 2, 16, 16, 16), np.float32)
        with atomic_path(path) as part, part.open("wb") as file:
            np.save(file, values)

    @contextmanager
    def _open(self) -> Iterator[Mapping[str, Any]]:
        if zipfile.is_zipfile(self.path):
            yield self._archive()
            return
        array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        if array.dtype.kind not in "fiu":
            raise ReadError(
                str(self.path), f"it holds {array.dtype}, no real numbers", "Convert it"
            )
        if self.axes:
            yield plain(self.path, {ARRAY: array}, self.axes)
            return
        space = AXES[: max(array.ndim - 3, 0)]
        sides = set(array.shape[3:])
        is_cube = len(sides) == 1 and array.ndim <= 6
        if not is_cube or max(array.shape[2] + 1, SMALLEST) > min(sides):
            rule = f"its shape {array.shape} is no (sample, time, channel, x, y, z)"
            raise ReadError(str(self.path), rule, "Name its axes: axes={'array': 'time x y z'}")
        yield named_parts({ARRAY: Part(array, ("sample", "time", "channel", *space))})

    def _archive(self) -> Variables:
        """Return the arrays of a `.npz` that `axes` names."""
        check_zip(self.path, self.format)
        with np.load(self.path, allow_pickle=False) as file:
            members: dict[str, Any] = {name: _Frame(self.path, name) for name in file.files}
        if self.axes:
            return plain(self.path, members, self.axes)
        listing = ", ".join(f"{name} {member.shape}" for name, member in members.items())
        rule = f"its arrays have no names of axes; it holds {listing}"
        raise ReadError(str(self.path), rule, "Name them: axes={'u': 'time x y z'}")

    def _layout(self, variables: Mapping[str, Any]) -> Layout:
        return layout_from(variables, self.path, self.format, self.placed)


@final
class SceneReader(ReadOnly, StatesReader):
    """A reader of scenes of PhiFlow: a folder with one `.npz` for each field and frame.

    Fields on the faces of cells are averaged to the centres. Boundary conditions and the names of
    components are stored as pickles, which are not read: the boundary is `unknown`, and components
    are x, y, z in this order.

    Args:
        path: the folder of one simulation, `sim_000000`.
        fields: names of the channels to read, in the order wanted. `None` means all.

    Shapes: (channel, x, y, z) float32; fewer space axes if the scene has fewer.

    Units: `unknown`; times are numbers of frames.

    Raises: ReadError: a file is damaged, a frame is missing, or frames have several shapes.

    Source: https://tum-pbs.github.io/PhiFlow/Scene_Format_Specification.html.
    """

    suffixes = ()
    format = "scene of PhiFlow"
    takes = ("dims",)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a short seeded trajectory of a density."""
        states = sample_states().isel(sample=0, channel=3)
        with atomic_folder(path) as folder:
            for i, frame in enumerate(states.values):
                np.savez_compressed(folder / f"density_{i:06d}.npz", **_centred(frame, states))

    @contextmanager
    def _open(self) -> Iterator[Mapping[str, Any]]:
        frames: dict[str, dict[int, Path]] = defaultdict(dict)
        for file in sorted(self.path.glob("*.npz")):
            match = re.fullmatch(r"(.+)_(\d{6})", file.stem)
            if match:
                frames[match[1]][int(match[2])] = file
        times = sorted(next(iter(frames.values()), {}))
        parts: dict[str, Part] = {}
        for name, files in frames.items():
            if sorted(files) != times:
                rule = f"{name} has {len(files)} frames, and another field has {len(times)}"
                raise ReadError(str(self.path), rule, "Leave frames out that are not complete")
            parts |= self._field(name, [files[time] for time in times])
        if not parts:
            raise ReadError(str(self.path), "it holds no frames, NAME_000000.npz", "Name a scene")
        yield named_parts(parts | {"time": coordinate(times, "time")})

    def _layout(self, variables: Mapping[str, Any]) -> Layout:
        return layout_from(variables, self.path, self.format, self.placed)

    def _field(self, name: str, files: list[Path]) -> dict[str, Part]:
        """Return the components of a field over its frames, and its coordinates."""
        first = _members(files[0], ("dim_names", "lower", "upper", "field_type"))
        dims = [str(d) for d in first["dim_names"]]
        space = [d for d in dims if d in AXES]
        arrays: list[Any] = [_Frame(file) for file in files]
        faces = str(first["field_type"]) == "StaggeredGrid"
        parts: dict[str, Part] = {}
        if "vector" in dims:
            axis = dims.index("vector")
            for i, label in enumerate(space[: arrays[0].shape[axis]]):
                cells: list[Any] = [Component(array, i, axis) for array in arrays]
                cells = [Cells(array, space.index(label)) for array in cells] if faces else cells
                parts[f"{name}_{label}"] = Part(Stacked(cells, self.path), ("time", *space))
        else:
            parts[name] = Part(Stacked(arrays, self.path), ("time", *dims))
        sides = next(iter(parts.values())).sizes
        for i, axis_name in enumerate(space):
            low, high = float(first["lower"].flat[i]), float(first["upper"].flat[i])
            points = low + (np.arange(sides[axis_name]) + 0.5) * (high - low) / sides[axis_name]
            parts[axis_name] = coordinate(points, axis_name)
        return parts


@final
class _Frame:
    """A member of a `.npz`, read when it is used."""

    def __init__(self, path: Path, name: str = "data") -> None:
        self.path, self.name = path, name
        check_zip(path, "npz")
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            version = np.lib.format.read_magic(member)
            read = {(1, 0): np.lib.format.read_array_header_1_0}
            header = read.get(version, np.lib.format.read_array_header_2_0)(member)
        self.shape, _, self.dtype = header
        check_size(path, self.shape, self.dtype)

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.asarray(_members(self.path, (self.name,))[self.name][key])


def _members(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in names}


def _centred(frame: np.ndarray, states: xr.DataArray) -> dict[str, Any]:
    """Return the members of a scene's file, without those that are pickles."""
    axes = [str(dim) for dim in states.dims[1:]]
    steps = {axis: float(states[axis][1] - states[axis][0]) for axis in axes}
    upper = [float(states[axis][-1]) + steps[axis] / 2 for axis in axes]
    lower = [float(states[axis][0]) - steps[axis] / 2 for axis in axes]
    members = {"dim_names": axes, "field_type": "CenteredGrid", "data": frame}
    return members | {"lower": np.array(lower), "upper": np.array(upper)}
