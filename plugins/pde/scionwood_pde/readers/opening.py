"""Open a file of states with the reader of its format."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py

from scionwood.authoring import call_in_child, check_hdf5, reading
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.grids import GridReader, arrays_of, knows
from scionwood_pde.readers.netcdf import NetCDF3Reader, NetCDFReader
from scionwood_pde.readers.numpy_files import NumpyReader, SceneReader
from scionwood_pde.readers.pdebench import FIELDS, PDEBenchReader
from scionwood_pde.readers.unread import check_readable, is_npz
from scionwood_pde.readers.vtk_grids import SUFFIXES, VtkReader
from scionwood_pde.readers.well import WellReader
from scionwood_pde.readers.zarr_store import ZarrReader


def open_reader(
    path: str | Path,
    *,
    fields: Sequence[str] | None = None,
    solids: bool = False,
    dims: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
    axes: Mapping[str, str] | None = None,
) -> StatesReader:
    """Open a file with the reader that fits its content.

    Args:
        path: a file, or a folder of Zarr.
        fields: names of the channels to read, in the order wanted. `None` means all channels.
        solids: NaN marks solid points. Without it, a state that holds NaN is refused.
        dims: the dimension of the file for `sample`, `time`, `x`, `y` or `z`; see `StatesReader`.
        rename: new names of channels by their names in the file.
        axes: the axes of the arrays of a file without names; see `readers.grids`.

    Raises:
        ReadError: the format is unknown, or the file is damaged.
    """
    reader = _READERS[call_in_child(_format, path, bool(axes))]
    return reader(path, fields=fields, solids=solids, dims=dims, rename=rename, axes=axes)


_READERS: dict[str, type[StatesReader]] = {
    "zarr": ZarrReader,
    "well": WellReader,
    "pdebench": PDEBenchReader,
    "netcdf": NetCDFReader,
    "netcdf3": NetCDF3Reader,
    "grid": GridReader,
    "numpy": NumpyReader,
    "scene": SceneReader,
    "vtk": VtkReader,
}


def _format(path: Path, has_axes: bool) -> str:
    """Return the format of the content, a key of `_READERS`."""
    if path.suffix.lower() in SUFFIXES:
        return "vtk"
    with reading(path, "states"):  # `is_zipfile` raises BadZipFile on some damaged archives
        if path.is_dir() and any(path.glob("*_[0-9][0-9][0-9][0-9][0-9][0-9].npz")):
            return "scene"
        check_readable(path)
        if path.is_dir() or (path.is_file() and zipfile.is_zipfile(path)):
            return "numpy" if path.is_file() and is_npz(path) else "zarr"
    with reading(path, "states"), path.open("rb") as head:
        start = head.read(6)
    if start[:3] == b"CDF":
        return "netcdf3"
    if start == b"\x93NUMPY":
        return "numpy"
    with reading(path, "HDF5"), h5py.File(path) as file:
        check_hdf5(path, file)
        return "grid" if has_axes else _of_hdf5(path, file)


def _of_hdf5(path: Path, file: h5py.File) -> str:
    if "dimensions" in file:
        return "well"
    if knows(path, file):
        return "grid"
    # A NetCDF field may have the name of a PDEBench field, but its axes are named scales.
    fields = [file[name] for name in FIELDS if name in file]
    if fields and not any(len(dim) for field in fields for dim in field.dims):
        return "pdebench"
    arrays = arrays_of(file).values()
    scaled = any(len(dim) for array in arrays for dim in array.dims)
    return "netcdf" if scaled or "_NCProperties" in file.attrs else "grid"
