"""NetCDF-4 files, which are HDF5 files underneath."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import final

import h5py
import xarray as xr

from scionwood import ReadError, check_hdf5
from scionwood_pde.readers.hdf5 import Hdf5Reader
from scionwood_pde.readers.labelled import OPTIONS, LabelledReader
from scionwood_pde.readers.parts import ReadOnly
from scionwood_pde.readers.write import sample_states, write_netcdf


@final
class NetCDF3Reader(ReadOnly, LabelledReader):
    """A reader of NetCDF-3 files (classic and 64-bit offset) with named dims, by scipy.

    Args:
        path: the file.
        fields: names of the channels to read, in the order wanted. `None` means all.

    Shapes: (channel, x, y, z) in the file's precision; fewer space axes if the file has fewer.

    Units: the attributes `units` of variables and coordinates, or `unknown`.

    Raises: ReadError: scipy is missing, the file is damaged, lacks a field, has other dims, a side
        of 1 or mixed units, or holds NaN.

    Source: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
    """

    suffixes = (".nc",)
    format = "NetCDF-3"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two short seeded trajectories of a velocity and a density."""
        sample_states().drop_vars("unit").to_dataset("channel").to_netcdf(path, engine="scipy")

    @contextmanager
    def _dataset(self) -> Iterator[xr.Dataset]:
        if find_spec("scipy") is None:  # which the engine of xarray uses
            rule = "NetCDF-3 is read by scipy, which is not installed"
            raise ReadError(str(self.path), rule, "pip install 'scionwood-pde[formats]'")
        with xr.open_dataset(self.path, engine="scipy", **OPTIONS) as dataset:
            yield dataset


@final
class NetCDFReader(LabelledReader, Hdf5Reader):
    """A reader of NetCDF-4 files with named dims.

    The dims of a field are `sample`, `time`, `channel`, `x`, `y`, `z`. They may
    have any order; a missing `sample` or `time` has size 1.

    Args:
        path: the file.
        fields: names of the channels to read, in the order wanted. `None` means all.

    Shapes: (channel, x, y, z) in the file's precision; fewer space axes if the file has fewer.

    Units: the attributes `units` of variables and coordinates, or `unknown`.

    Raises: ReadError: the file is damaged, has external links, lacks a field, has other dims, a
        side of 1 or mixed units, or holds NaN.

    Source: NetCDF-4, https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
    """

    suffixes = (".nc",)
    format = "NetCDF"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two short seeded trajectories of a velocity and a density."""
        write_netcdf(sample_states(), path)

    @contextmanager
    def _dataset(self) -> Iterator[xr.Dataset]:
        with h5py.File(self.path) as file:
            check_hdf5(self.path, file, self.format)
        with xr.open_dataset(self.path, engine="h5netcdf", **OPTIONS) as dataset:
            yield dataset
