"""Open a file of states with the reader of its format."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import h5py

from scionwood import ReadError, call_in_child, check_hdf5, reading
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.netcdf import NetCDFReader
from scionwood_pde.readers.pdebench import FIELDS, PDEBenchReader
from scionwood_pde.readers.well import WellReader
from scionwood_pde.readers.zarr_store import ZarrReader


def open_reader(
    path: str | Path, *, fields: Sequence[str] | None = None, solids: bool = False
) -> StatesReader:
    """Open a file with the reader that fits its content.

    Args:
        path: a file, or a folder of Zarr.
        fields: names of the channels to read, in the order wanted. `None` means all channels.
        solids: NaN marks solid points. Without it, a state that holds NaN is refused.

    Raises:
        ReadError: the format is unknown, or the file is damaged.
    """
    reader = _READERS[call_in_child(_format, path)]
    return reader(path, fields=fields, solids=solids)


_READERS: dict[str, type[StatesReader]] = {
    "zarr": ZarrReader,
    "well": WellReader,
    "pdebench": PDEBenchReader,
    "netcdf": NetCDFReader,
}


def _format(path: Path) -> str:
    """Return the format of the content, a key of `_READERS`."""
    with reading(path, "states"):  # `is_zipfile` raises BadZipFile on some damaged archives
        if path.is_dir() or (path.is_file() and zipfile.is_zipfile(path)):
            return "zarr"
    with reading(path, "states"), path.open("rb") as head:
        if head.read(3) == b"CDF":
            rule = "it is a NetCDF-3 file, which is no HDF5; NetCDF-4 is read"
            remedy = "Convert it: nccopy -k nc4 old.nc new.nc, or xarray's to_netcdf"
            raise ReadError(str(path), rule, remedy)
    with reading(path, "HDF5"), h5py.File(path) as file:
        check_hdf5(path, file)
        return _of_hdf5(file)


def _of_hdf5(file: h5py.File) -> str:
    if "dimensions" in file:
        return "well"
    # A NetCDF field may have the name of a PDEBench field, but its axes are named scales.
    fields = [file[name] for name in FIELDS if name in file]
    if fields and not any(len(dim) for field in fields for dim in field.dims):
        return "pdebench"
    return "netcdf"
