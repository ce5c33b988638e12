"""Zarr stores, of version 3 and of 2: folders, or packed into one zip file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import xarray as xr
import zarr
from zarr.storage import LocalStore, ZipStore

from scionwood import ReadError, atomic_path
from scionwood_pde.readers.folders import atomic_folder, pack, unpacked
from scionwood_pde.readers.labelled import OPTIONS, LabelledReader
from scionwood_pde.readers.write import sample_states, write_zarr


@final
class ZarrReader(LabelledReader):
    """Reads Zarr stores whose fields have dims `sample`, `time`, `channel`, `x`, `y`, `z`.

    The dims may have any order; a missing `sample` or `time` has size 1. In a process that was
    forked after the reader was made it refuses to read, since Zarr can hang there: start workers
    with `spawn` or `forkserver`.

    Args:
        path: a folder, or a zip file of one.
        fields: names of the channels to read, in that order; all where null.

    Shapes: (channel, x, y, z) of the file's precision; fewer axes where the file has fewer.

    Units: attributes `units` of arrays and coordinates; else `unknown`.

    Raises: ReadError, for a damaged store, a missing field, other dims, a side of 1, mixed units,
        NaN (as chunks are that were lost), or a forked process.

    Source: Zarr 3, https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html
    """

    suffixes = (".zip", ".zarr")
    format = "Zarr"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Two short trajectories of a velocity and a density, seeded."""
        write_zarr(sample_states(), path)

    @contextmanager
    def _dataset(self) -> Iterator[xr.Dataset]:
        self._check_process()
        if not self.path.exists():
            raise FileNotFoundError(self.path)
        folder = self.path.is_dir()
        store: Any = (
            LocalStore(self.path, read_only=True) if folder else ZipStore(self.path, mode="r")
        )
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
                with unpacked(self.path, target.parent) as folder:
                    yield folder
                    folder.rename(place)
            return
        with (
            atomic_path(target, overwrite=overwrite) as part,
            unpacked(self.path, target.parent) as folder,
        ):
            yield folder
            pack(folder, part, like=self.path)

    @contextmanager
    def _editable(self, copy: Path) -> Iterator[Mapping[str, Any]]:
        group: Any = zarr.open_group(copy, mode="r+")
        yield group

    def _check_process(self) -> None:
        made = self.__dict__.setdefault("_process", os.getpid())
        if made != os.getpid():
            rule = "this Zarr reader was made before the process was forked, and could hang"
            raise ReadError(str(self.path), rule, "Start workers with spawn or forkserver")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_process"}
