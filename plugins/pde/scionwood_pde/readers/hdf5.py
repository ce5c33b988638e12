"""HDF5 files of simulations, in all layouts of the tables."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, final

import h5py
import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood.authoring import atomic_path, check_hdf5
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.layout import AXES
from scionwood_pde.readers.lazy import dataset_of, variable_of
from scionwood_pde.readers.openpmd import openpmd
from scionwood_pde.readers.programs import athena, dedalus, flash, well
from scionwood_pde.readers.series import PDEBENCH, SERIES, arrays_of
from scionwood_pde.readers.write import sample_states, save_states

Layouts = tuple[Callable[[Path, h5py.File], xr.Dataset | None], ...]
LAYOUTS: Layouts = (*SERIES, openpmd, dedalus, athena, flash)
"""Layouts that are read, and not written back."""


class Hdf5Reader(StatesReader):
    """A reader of HDF5 files, which are opened for each read and closed after it."""

    layouts: ClassVar[Layouts]

    @contextmanager
    def _open(self) -> Iterator[xr.Dataset]:
        with h5py.File(self.path) as file:
            check_hdf5(self.path, file, self.format)
            yield self.opened(self.path, file, self.axes)

    @classmethod
    def opened(
        cls, path: Path, file: h5py.File, axes: Mapping[str, str] | None = None
    ) -> xr.Dataset:
        """Return the dataset of an open file in one of the layouts.

        Raises:
            ReadError: the layout is unknown, or `axes` does not fit.
        """
        if axes:
            return plain(path, file, axes)
        for layout in cls.layouts:
            dataset = layout(path, file)
            if dataset is not None:
                return dataset
        arrays = list(arrays_of(file).items())[:20]
        listed = ", ".join(f"{name} {array.shape}" for name, array in arrays)
        rule = f"its layout is unknown; it holds {listed or 'no arrays'}"
        if len(cls.layouts) == 1:
            rule = f"it is not a {cls.format} file; it holds {listed or 'no arrays'}"
        raise ReadError(str(path), rule, "Name the axes of its arrays: axes={'u': 'time x y z'}")

    @contextmanager
    def _copy(self, target: Path, overwrite: bool) -> Iterator[Path]:
        with atomic_path(target, overwrite=overwrite) as copy:
            shutil.copyfile(self.path, copy)
            yield copy

    @contextmanager
    def _editable(self, copy: Path) -> Iterator[Any]:
        with h5py.File(copy, "r+") as file:
            yield file


def plain(path: Path, arrays: Mapping[str, Any], axes: Mapping[str, str]) -> xr.Dataset:
    """Return the arrays that `axes` names, with its dims.

    Raises:
        ReadError: an array is missing, or has another number of axes.
    """
    variables = {}
    for name, text in axes.items():
        dims = tuple(text.split())
        if name not in arrays:
            raise ReadError(str(path), f"it has no array {name!r}", "Correct axes")
        array = arrays[name]
        if len(dims) != len(array.shape):
            rule = f"array {name!r} has the shape {array.shape}, and axes names {len(dims)}: {text}"
            raise ReadError(str(path), rule, "Name one axis for each length")
        attrs = {str(k): v for k, v in getattr(array, "attrs", {}).items() if isinstance(v, str)}
        label = dims[0] if len(dims) == 1 else name.replace("/", "_").strip("_")
        variables[label] = variable_of(array, dims, attrs)
    return dataset_of(path, variables)


@final
class WellReader(Hdf5Reader):
    """A reader of HDF5 files of The Well; `velocity` becomes `velocity_x` and so on.

    Args:
        path: the file.
        fields: names of the channels to read, in the order wanted. `None` means all.

    Shapes: (channel, x, y, z) in the file's precision; fewer space axes if the file has fewer.

    Units: the attributes `units`, or `unknown`; The Well's own files have no units.

    Raises: ReadError: the file is damaged, has external links, lacks a field, has axes that do not
        fit, a side of 1 or mixed units, or holds NaN.

    Source: https://github.com/PolymathicAI/the_well, docs/data_format.md.
    """

    suffixes = (".hdf5",)
    format = "Well HDF5"
    layouts = (well,)
    writes = True

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two short seeded trajectories of a velocity and a density."""
        save_states(sample_states(), path)


@final
class PDEBenchReader(Hdf5Reader):
    """A reader of HDF5 files of PDEBench: `density`, `pressure`, `Vx`, `Vy`, `Vz`, or `tensor`.

    The coefficient `nu` of Darcy flow is a channel that does not change in time.

    Args:
        path: the file.
        fields: names of the channels to read, in the order wanted. `None` means all. The
            components of velocity are called V_x, V_y, V_z.

    Shapes: (channel, x, y, z) in the file's precision; fewer space axes if the file has fewer.

    Units: `unknown`, since the files do not state them.

    Raises: ReadError: the file is damaged, has external links, lacks a field, has axes that do not
        fit or a side of 1, or holds NaN.

    Source: https://github.com/pdebench/PDEBench; Takamoto et al. 2022, arXiv:2210.07182.
    """

    suffixes = (".h5",)
    format = "PDEBench HDF5"
    layouts = (PDEBENCH,)
    writes = True

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two short seeded trajectories of a density and a velocity."""
        states = sample_states().transpose("channel", "sample", "time", ...).values
        with atomic_path(path) as part, h5py.File(part, "w") as file:
            for name, values in zip(("Vx", "Vy", "Vz", "density"), states, strict=True):
                file[name] = values
            for axis, side in zip(AXES, states.shape[3:], strict=True):
                file[f"{axis}-coordinate"] = (np.arange(side) + 0.5) / side
            file["t-coordinate"] = 0.05 * np.arange(states.shape[2] + 1)


@final
class GridReader(Hdf5Reader):
    """A reader of HDF5 files on regular grids that other programs write; see `LAYOUTS`.

    Args:
        path: the file.
        fields: names of the channels to read, in the order wanted. `None` means all.
        axes: the axes of each array of a plain file, in order and separated by blanks, such as
            `{"flow/u": "sample time z y x", "grid/x": "x"}`. `channel` is an axis of components.
            An array along one axis, named like it, holds the points of that axis.

    Raises:
        ReadError: the layout is unknown, the file is damaged, has external links, lacks a field,
            has axes that do not fit, a side of 1, or holds NaN.
    """

    suffixes = (".h5", ".hdf5", ".nc", ".athdf")
    format = "HDF5 on a grid"
    takes = ("dims", "axes")
    layouts = LAYOUTS

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


def kind_of(path: Path, file: h5py.File, *, has_axes: bool) -> type[Hdf5Reader] | None:
    """Return the reader of an open file, or `None` if its arrays have named dims, as NetCDF has."""
    if has_axes:
        return GridReader
    for reader in (WellReader, GridReader, PDEBenchReader):
        if any(layout(path, file) is not None for layout in reader.layouts):
            return reader
    scaled = any(len(dim) for array in arrays_of(file).values() for dim in array.dims)
    return None if scaled or "_NCProperties" in file.attrs else GridReader
