"""Open states that have no path on this machine: URLs of fsspec, open files, stores of Zarr."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

import fsspec
import h5py
import xarray as xr
from zarr.abc.store import Store
from zarr.storage import FsspecStore

from scionwood import ReadError
from scionwood.authoring import check_hdf5, reading
from scionwood_pde.readers.hdf5 import kind_of
from scionwood_pde.readers.labelled import OPTIONS

Stream: TypeAlias = str | IO[bytes] | Store
"""A URL such as `s3://bucket/flow.zarr`, a binary file that is open, or a store of Zarr."""

_LAZY = {**OPTIONS, "chunks": {}}  # arrays of dask, in the chunks of the file


def is_stream(source: object) -> bool:
    """Return whether a source is no path of this machine, and `open_stream` opens it."""
    is_url = isinstance(source, str) and "://" in source
    return (
        is_url or isinstance(source, Store) or (hasattr(source, "read") and hasattr(source, "seek"))
    )


def open_stream(source: Any, axes: Mapping[str, str] | None = None) -> xr.Dataset:
    """Open a stream as a dataset under its own names; values are read when they are used.

    It is read in this process. HDF5 must not point to other files.

    Args:
        source: see `Stream`. A URL that ends in `.zarr` is a store of Zarr, any other a file.
        axes: the axes of the arrays of HDF5 without names; see `readers.hdf5`.

    Raises:
        ReadError: the format is unknown, or the data are damaged.
    """
    name = source if isinstance(source, str) else str(getattr(source, "name", source))
    with reading(name, "states"):
        if isinstance(source, str):
            if source.rstrip("/").endswith(".zarr"):
                source = FsspecStore.from_url(source, read_only=True)
            else:
                source = fsspec.open(source, "rb").open()
        if isinstance(source, Store):
            store: Any = source
            return xr.open_dataset(store, engine="zarr", consolidated=False, **_LAZY)
        source.seek(0)
        start = source.read(8)
        source.seek(0)
        if start[:3] == b"CDF":
            return xr.open_dataset(source, engine="scipy", **_LAZY)
        if start != b"\x89HDF\r\n\x1a\n":
            rule = f"it starts with {start!r}, and is neither HDF5, NetCDF nor Zarr"
            raise ReadError(name, rule, "Copy the file here, and give its path")
        file = h5py.File(source)
        check_hdf5(Path(name), file)
        reader = kind_of(Path(name), file, has_axes=bool(axes))
        if reader is None:
            return xr.open_dataset(source, engine="h5netcdf", **_LAZY)
        return reader.opened(Path(name), file, axes)
