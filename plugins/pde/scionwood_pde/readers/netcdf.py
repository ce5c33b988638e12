"""NetCDF-4 files, which are HDF5 below."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

import h5py
import xarray as xr

from scionwood_pde.readers.hdf5 import Hdf5Reader, check_links
from scionwood_pde.readers.labelled import OPTIONS, LabelledReader
from scionwood_pde.readers.write import sample_states, write_netcdf


@final
class NetCDFReader(LabelledReader, Hdf5Reader):
    """Reads NetCDF-4 files whose fields have dims `sample`, `time`, `channel`, `x`, `y`, `z`.

    The dims may have any order; a missing `sample` or `time` has size 1.

    Args:
        path: the file.
        fields: names of the channels to read, in that order; all where null.

    Shapes: (channel, x, y, z) of the file's precision; fewer axes where the file has fewer.

    Units: attributes `units` of variables and coordinates; else `unknown`.

    Raises: ReadError, for a damaged file, external links, a missing field, other dims, a side of 1,
        mixed units, or NaN.

    Source: NetCDF-4, https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
    """

    suffixes = (".nc",)
    format = "NetCDF"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Two short trajectories of a velocity and a density, seeded."""
        write_netcdf(sample_states(), path)

    @contextmanager
    def _dataset(self) -> Iterator[xr.Dataset]:
        with h5py.File(self.path) as file:
            check_links(self.path, file)
        with xr.open_dataset(self.path, engine="h5netcdf", **OPTIONS) as dataset:
            yield dataset
