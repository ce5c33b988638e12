"""Zarr stores of versions 3 and 2: folders, or folders packed into one zip file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import xarray as xr
import zarr
from zarr.storage import LocalStore, ZipStore

from scionwood import ReadError
from scionwood.authoring import atomic_folder, atomic_path, check_links, check_zip, pack, unpacked
from scionwood_pde.readers.labelled import OPTIONS, LabelledReader
from scionwood_pde.readers.write import sample_states, write_zarr


@final
class ZarrReader(LabelledReader):
    """A reader of Zarr stores with named dims.

    The dims of a field are `sample`, `time`, `channel`, `x`, `y`, `z`. They may
    have any order; a missing `sample` or `time` has size 1. The reader refuses to read in a process
    that was forked after the reader was created, because Zarr can hang there. Start workers with
    `spawn` or `forkserver`.

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

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two short seeded trajectories of a velocity and a density."""
        write_zarr(sample_states(), path)

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
            with xr.open_dataset(store, engine="zarr", consolidated=False, **OPTIONS) as dataset:
                yield dataset
        finally:
            store.close()

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
    def _editable(self, copy: Path) -> Iterator[Mapping[str, Any]]:
        group: Any = zarr.open_group(copy, mode="r+")
        yield group

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
