"""HDF5 files, and the checks before anything is read from them."""

from __future__ import annotations

import shutil
from abc import ABC
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scionwood import ReadError
from scionwood.authoring import atomic_path, check_hdf5
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.layout import check_size


class Hdf5Reader(StatesReader, ABC):
    """A reader of HDF5 files, which are opened for each read and closed after it."""

    @contextmanager
    def _open(self) -> Iterator[Mapping[str, Any]]:
        with h5py.File(self.path) as file:
            check_hdf5(self.path, file, self.format)
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


def check_stored(path: Path, dataset: h5py.Dataset) -> None:
    """Check that all values of a dataset were written.

    Raises:
        ReadError: values are missing; the message says how many bytes are stored.
    """
    if isinstance(dataset.name, bytes):  # h5py gives bytes where a name is no UTF-8
        rule = f"HDF5 dataset {dataset.name!r}: its name is not UTF-8"
        raise ReadError(str(path), rule, "Rename it, or get the file again")
    stored, filters = dataset.id.get_storage_size(), dataset.id.get_create_plist().get_nfilters()
    if not stored or (not filters and stored < dataset.size * dataset.dtype.itemsize):
        rule = f"HDF5 dataset {dataset.name} {dataset.shape} has {stored} bytes stored"
        raise ReadError(str(path), rule, "Its simulation was interrupted: run it again")


def line(path: Path, dataset: h5py.Dataset) -> np.ndarray:
    """Return the values of a coordinate, (point,) float64.

    Raises:
        ReadError: the dataset has more than one axis, or its declared length is impossible.
    """
    if dataset.ndim != 1:
        rule = f"coordinate {dataset.name} has shape {dataset.shape}; a coordinate has one axis"
        raise ReadError(str(path), rule, "Put each grid and each series of times into its own file")
    check_size(path, dataset.shape, dataset.dtype)
    values: np.ndarray = dataset[()].astype(np.float64)
    return values
