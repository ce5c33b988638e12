"""Files of numpy: `.npy` of APEBench and others, `.npz`, and scenes of PhiFlow."""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood.authoring import atomic_folder, atomic_path, check_zip
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.hdf5 import plain
from scionwood_pde.readers.layout import AXES, check_size
from scionwood_pde.readers.lazy import Key, dataset_of, lazy, line, stacked, variable_of
from scionwood_pde.readers.write import sample_states

SMALLEST = 16
"""Fewest points along a side of an array whose axes are not named; channels are fewer."""

ARRAY = "array"
"""The name of the array of a `.npy` file in `axes`."""


@final
class NumpyReader(StatesReader):
    """A reader of `.npy` files, which have no names: (sample, time, channel, x, y, z), or `axes`.

    The arrays of a `.npz` are read with `axes`. Without `axes`, the order is that of APEBench and
    exponax. It is taken only if all sides are equal, 16 or more, and longer than the axis of
    channels; any other array is refused.

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
    def _open(self) -> Iterator[xr.Dataset]:
        if zipfile.is_zipfile(self.path):
            yield self._archive()
            return
        array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        if array.dtype.kind not in "fiu":
            rule = f"it holds {array.dtype}, no real numbers"
            raise ReadError(str(self.path), rule, "Convert it")
        if self.axes:
            yield plain(self.path, {ARRAY: array}, self.axes)
            return
        sides = set(array.shape[3:])
        is_cube = len(sides) == 1 and array.ndim <= 6
        if not is_cube or max(array.shape[2] + 1, SMALLEST) > min(sides):
            rule = f"its shape {array.shape} is no (sample, time, channel, x, y, z)"
            raise ReadError(str(self.path), rule, "Name its axes: axes={'array': 'time x y z'}")
        dims = ("sample", "time", "channel", *AXES[: array.ndim - 3])
        yield dataset_of(self.path, {ARRAY: variable_of(array, dims)})

    def _archive(self) -> xr.Dataset:
        """Return the arrays of a `.npz` that `axes` names."""
        check_zip(self.path, self.format)
        with np.load(self.path, allow_pickle=False) as file:
            members: dict[str, Any] = {name: _Member(self.path, name) for name in file.files}
        if self.axes:
            return plain(self.path, members, self.axes)
        listing = ", ".join(f"{name} {member.shape}" for name, member in members.items())
        rule = f"its arrays have no names of axes; it holds {listing}"
        raise ReadError(str(self.path), rule, "Name them: axes={'u': 'time x y z'}")


@final
class SceneReader(StatesReader):
    """A reader of scenes of PhiFlow: a folder with one `.npz` for each field and frame.

    Fields on the faces of cells are averaged to the centres. Boundary conditions and the names of
    components are stored as pickles, which are not read: the boundary is `unknown`, and components
    are x, y, z in this order. Times are numbers of frames.

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
    def _open(self) -> Iterator[xr.Dataset]:
        frames: dict[str, dict[int, Path]] = defaultdict(dict)
        for file in sorted(self.path.glob("*.npz")):
            match = re.fullmatch(r"(.+)_(\d{6})", file.stem)
            if match:
                frames[match[1]][int(match[2])] = file
        times = sorted(next(iter(frames.values()), {}))
        variables: dict[str, xr.Variable] = {}
        for name, files in frames.items():
            if sorted(files) != times:
                rule = f"{name} has {len(files)} frames, and another field has {len(times)}"
                raise ReadError(str(self.path), rule, "Leave frames out that are not complete")
            variables |= self._field(name, [files[time] for time in times])
        if not variables:
            raise ReadError(str(self.path), "it holds no frames, NAME_000000.npz", "Name a scene")
        yield dataset_of(self.path, variables | {"time": line(times, "time")})

    def _field(self, name: str, files: list[Path]) -> dict[str, xr.Variable]:
        """Return the components of a field over its frames, and its coordinates."""
        first = _members(files[0], ("dim_names", "lower", "upper", "field_type"))
        dims = [str(dim) for dim in first["dim_names"]]
        space = [dim for dim in dims if dim in AXES]
        frames = [variable_of(_Member(file), dims) for file in files]
        variables = {name: stacked(self.path, "time", frames)}
        if "vector" in dims:
            faces = str(first["field_type"]) == "StaggeredGrid"
            labels = space[: frames[0].sizes["vector"]]
            variables = {}
            for i, label in enumerate(labels):
                parts = [frame.isel(vector=i) for frame in frames]
                parts = [_of_faces(part, label) for part in parts] if faces else parts
                variables[f"{name}_{label}"] = stacked(self.path, "time", parts)
        sizes = next(iter(variables.values())).sizes
        for i, axis in enumerate(space):
            low, high = float(first["lower"].flat[i]), float(first["upper"].flat[i])
            centres = low + (np.arange(sizes[axis]) + 0.5) * (high - low) / sizes[axis]
            variables[axis] = line(centres, axis)
        return variables


def _of_faces(variable: xr.Variable, across: str) -> xr.Variable:
    """Return values on the faces across an axis as the mean of both faces of each cell.

    Along each axis PhiFlow stores one point more than there are cells.
    """
    cells = {dim: slice(n - 1) for dim, n in variable.sizes.items()}
    n = variable.sizes[across] - 1

    def read(key: Key) -> np.ndarray:
        low, high = (
            variable.isel({**cells, across: slice(start, start + n)}).values.astype(np.float64)
            for start in (0, 1)
        )
        mean: np.ndarray = ((low + high) / 2).astype(variable.dtype)[tuple(key)]
        return mean

    shape = [n - 1 for n in variable.shape]
    return lazy(list(map(str, variable.dims)), shape, variable.dtype, read)


@final
class _Member:
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
