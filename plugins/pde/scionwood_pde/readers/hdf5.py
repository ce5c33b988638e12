"""HDF5 files: what is refused before anything is read from them."""

from __future__ import annotations

import shutil
from abc import ABC
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scionwood import ReadError, atomic_path
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.layout import check_size

REMEDY = "Copy the data into one file first"


class Hdf5Reader(StatesReader, ABC):
    """A reader of HDF5 files, opened for each read and closed after it."""

    @contextmanager
    def _open(self) -> Iterator[Mapping[str, Any]]:
        with h5py.File(self.path) as file:
            check_links(self.path, file)
            yield file

    @contextmanager
    def _copy(self, target: Path, overwrite: bool) -> Iterator[Path]:
        with atomic_path(target, overwrite=overwrite) as copy:
            shutil.copyfile(self.path, copy)
            yield copy

    @contextmanager
    def _editable(self, copy: Path) -> Iterator[Mapping[str, Any]]:
        with h5py.File(copy, "r+") as file:
            yield file


def check_links(path: Path, file: h5py.File) -> None:
    """Refuse a file that takes data from other files, which a stranger's file may name freely.

    Raises:
        ReadError: an external link, external storage, or a virtual dataset.
    """

    def look_at_link(name: str, link: Any) -> str | None:
        if isinstance(link, h5py.ExternalLink):
            return f"HDF5 link {name!r} leads to the file {link.filename!r}"
        return None

    def look_at_object(name: str, item: Any) -> str | None:
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            return f"HDF5 dataset {name!r} lies in other files"
        return None

    # What a visitor returns ends the visit; an error that it raises h5py does not pass on.
    rule = file.visititems_links(look_at_link) or file.visititems(look_at_object)
    if rule:
        raise ReadError(str(path), rule, REMEDY)


def check_stored(path: Path, dataset: h5py.Dataset) -> None:
    """Refuse a dataset whose values were never written, or not all of them.

    Raises:
        ReadError: naming how much is there.
    """
    stored, filters = dataset.id.get_storage_size(), dataset.id.get_create_plist().get_nfilters()
    if not stored or (not filters and stored < dataset.size * dataset.dtype.itemsize):
        rule = f"HDF5 dataset {dataset.name} {dataset.shape} has {stored} bytes stored"
        raise ReadError(str(path), rule, "The simulation that wrote it did not end: run it again")


def line(path: Path, dataset: h5py.Dataset) -> np.ndarray:
    """The values of a coordinate, float64.

    Raises:
        ReadError: it has more than one axis, or cannot be that long.
    """
    if dataset.ndim != 1:
        rule = f"coordinate {dataset.name} has shape {dataset.shape}; it has one axis"
        raise ReadError(str(path), rule, "Give each grid, or each series of times, its own file")
    check_size(path, dataset.shape, dataset.dtype)
    values: np.ndarray = dataset[()].astype(np.float64)
    return values
