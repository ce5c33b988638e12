"""Files whose arrays have named dims and which xarray opens: NetCDF, Zarr and Exodus."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, final

import h5py
import xarray as xr
import zarr
from zarr.storage import LocalStore, ZipStore

from scionwood import ReadError, WriteError
from scionwood.authoring import (
    atomic_folder,
    atomic_path,
    check_hdf5,
    check_links,
    check_zip,
    pack,
    unpacked,
)
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.conventions import conventional
from scionwood_pde.readers.hdf5 import Hdf5Reader
from scionwood_pde.readers.layout import check_size
from scionwood_pde.readers.meshes import exodus
from scionwood_pde.readers.write import sample_states, save_states

OPTIONS: Mapping[str, Any] = {
    "chunks": None,  # numpy arrays: dask takes four times as long for a crop
    "cache": False,
    "decode_times": False,
    "create_default_indexes": False,  # indexes would be read before their size is checked
}
"""Options of `xarray.open_dataset`."""


class LabelledReader(StatesReader, ABC):
    """A reader of files with named dims: each variable over all space axes is a field."""

    takes: ClassVar[tuple[str, ...]] = ("dims",)
    sorted_names = True

    @abstractmethod
    def _dataset(self) -> AbstractContextManager[xr.Dataset]:
        """Open the file with xarray and `OPTIONS`."""

    @contextmanager
    def _open(self) -> Iterator[xr.Dataset]:
        with self._dataset() as dataset:
            for name, variable in dataset.variables.items():
                if variable.dims == (name,):
                    check_size(self.path, variable.shape, variable.dtype)
            if {"num_nodes", "num_dim"} <= dataset.sizes.keys():
                yield exodus(self.path, dataset)
            else:
                yield conventional(dataset)


@final
class NetCDF3Reader(LabelledReader):
    """A reader of NetCDF-3 files (classic and 64-bit offset) with named dims, by scipy."""

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
            raise ReadError(str(self.path), rule, "pip install scipy")
        with xr.open_dataset(self.path, engine="scipy", **OPTIONS) as dataset:
            yield dataset


@final
class NetCDFReader(LabelledReader):
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
    writes = True

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two short seeded trajectories of a velocity and a density."""
        save_states(sample_states(), path)

    @contextmanager
    def _dataset(self) -> Iterator[xr.Dataset]:
        with h5py.File(self.path) as file:
            check_hdf5(self.path, file, self.format)
            groups = _groups(file)
        with ExitStack() as stack:
            root, *parts = (
                stack.enter_context(
                    xr.open_dataset(self.path, engine="h5netcdf", group=group, **OPTIONS)
                )
                for group in (None, *groups)
            )
            for group, part in zip(groups, parts, strict=True):
                root = _merged(root, part, group)
            yield root

    @contextmanager
    def _copy(self, target: Path, overwrite: bool) -> Iterator[Path]:
        with h5py.File(self.path) as file:
            groups = _groups(file)
        if groups:
            rule = f"fields in groups ({', '.join(groups)}) are read, and not written"
            raise WriteError(str(target), rule, "Write the states to a new file")
        with Hdf5Reader._copy(self, target, overwrite) as copy:  # type: ignore[arg-type]
            yield copy

    _editable = Hdf5Reader._editable


def _groups(file: h5py.File) -> list[str]:
    """Return the groups that hold arrays, by their paths; the root is none."""
    names: dict[str, None] = {}

    def visit(name: str, item: Any) -> None:
        group, _, _ = name.rpartition("/")
        if group and isinstance(item, h5py.Dataset):
            names[group] = None

    file.visititems(visit)
    return list(names)


def _merged(root: xr.Dataset, part: xr.Dataset, group: str) -> xr.Dataset:
    """Return a dataset with the variables of a group, under the group's name where it is needed.

    A dim of a group has the name of one of its parents, and another length, if it is its own.
    """
    own_dims = [dim for dim, n in part.sizes.items() if root.sizes.get(dim, n) != n]
    names = [name for name in part.variables if name in root.variables]
    part = part.rename(
        {name: f"{group}/{name}" for name in {*own_dims, *names} & {*part.variables}}
    )
    part = part.rename_dims({dim: f"{group}/{dim}" for dim in own_dims if dim in part.dims})
    fields = {name: variable for name, variable in part.data_vars.items()}
    return root.assign({n: v.variable for n, v in fields.items()}).assign_coords(
        xr.Coordinates({n: v.variable for n, v in part.coords.items()}, indexes={})
    )


@final
class ZarrReader(LabelledReader):
    """A reader of Zarr stores with named dims.

    The dims of a field are `sample`, `time`, `channel`, `x`, `y`, `z`. They may
    have any order; a missing `sample` or `time` has size 1. The reader refuses to read in a process
    that was forked after the reader was created, because Zarr can hang there. Start workers with
    `spawn` or `forkserver`. Arrays without names of dims are read with `axes`.

    Args:
        path: a folder, or a zip file of one.
        fields: names of the channels to read, in the order wanted. `None` means all.

    Shapes: (channel, x, y, z) in the file's precision; fewer space axes if the file has fewer.

    Units: the attributes `units` of arrays and coordinates, or `unknown`.

    Raises: ReadError: the store is damaged, lacks a field, has other dims, a side of 1 or mixed
        units, holds NaN (which lost chunks become), or has a link out of its folder; or the process
        was forked.

    Source: Zarr 3, https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html
    """

    suffixes = (".zip", ".zarr")
    format = "Zarr"
    takes = ("dims", "axes")
    writes = True

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two short seeded trajectories of a velocity and a density."""
        save_states(sample_states(), path)

    @contextmanager
    def _dataset(self) -> Iterator[xr.Dataset]:
        self._check_process()
        if not self.path.exists():
            raise FileNotFoundError(self.path)
        store: Any
        if self.path.is_dir():
            self._check_folder()
            store = LocalStore(self.path, read_only=True)
        else:
            check_zip(self.path, self.format, allow_repeats=True)  # as Zarr itself writes them
            store = ZipStore(self.path, mode="r")
        try:
            if unnamed := unnamed_arrays(store):
                yield self._plain(unnamed)
                return
            if self.axes:
                rule = f"{self.format} names its own axes, so that axes would be ignored"
                raise ReadError(str(self.path), rule, "Leave axes out")
            with xr.open_dataset(store, engine="zarr", consolidated=False, **OPTIONS) as dataset:
                yield dataset
        finally:
            store.close()

    def _plain(self, arrays: Mapping[str, Any]) -> xr.Dataset:
        """Return arrays without names of dims, which `axes` names."""
        from scionwood_pde.readers.hdf5 import plain

        if self.axes:
            return plain(self.path, arrays, self.axes)
        listed = ", ".join(f"{name or 'array'} {array.shape}" for name, array in arrays.items())
        rule = f"its arrays have no names of dims; it holds {listed}"
        remedy = f"Name them: axes={{{next(iter(arrays))!r}: 'time x y z'}}"
        raise ReadError(str(self.path), rule, remedy)

    @contextmanager
    def _copy(self, target: Path, overwrite: bool) -> Iterator[Path]:
        if self.path.is_dir():
            with atomic_folder(target, overwrite=overwrite) as place:
                place.rmdir()
                with unpacked(self.path, target.parent, kind=self.format) as folder:
                    yield folder
                    folder.rename(place)
            return
        with (
            atomic_path(target, overwrite=overwrite) as part,
            unpacked(self.path, target.parent, kind=self.format, allow_repeats=True) as folder,
        ):
            yield folder
            pack(folder, part, like=self.path)

    @contextmanager
    def _editable(self, copy: Path) -> Iterator[Any]:
        yield zarr.open_group(copy, mode="r+")

    def _check_process(self) -> None:
        creator_pid = self.__dict__.setdefault("_process", os.getpid())
        if creator_pid != os.getpid():
            rule = "this Zarr reader was created before the process was forked, and could hang"
            raise ReadError(str(self.path), rule, "Start workers with spawn or forkserver")

    def _check_folder(self) -> None:
        if not self.__dict__.get("_inside"):  # once: a store may have many chunks
            check_links(self.path, self.format)
            self._inside = True

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_process"}


def unnamed_arrays(store: Any) -> dict[str, Any]:
    """Return the arrays of a Zarr store by their paths if none of them has names of its dims."""
    root: Any = zarr.open(store, mode="r")
    arrays = {"array": root} if isinstance(root, zarr.Array) else dict(root.arrays())
    has_names = [
        bool(getattr(a.metadata, "dimension_names", None)) or "_ARRAY_DIMENSIONS" in a.attrs
        for a in arrays.values()
    ]
    return {} if any(has_names) else arrays
