"""Samples of caches and of layouts that are only read, which `scionwood check --fuzz` damages."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np

from scionwood_kit import Parser
from scionwood_pde.readers.arrays import NumpyReader, SceneReader
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.cache import Cache, write_cache
from scionwood_pde.readers.hdf5 import GridReader, WellReader
from scionwood_pde.readers.labelled import NetCDF3Reader
from scionwood_pde.readers.meshes import VtkReader


class Caches(Parser):
    """Caches of states, as `scionwood pde convert` writes them for training."""

    suffixes = (".cache",)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return every state of the cache, its coordinates and its statistics."""
        cache = Cache(path)
        times = len(cache.layout.times)
        places = [(s, t) for s in range(cache.layout.samples) for t in range(times)]
        frames = [np.array(frame) for frame in cache.frames(places)]
        return [*frames, cache.layout, cache.statistics]

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write the cache of two short seeded trajectories."""
        with TemporaryDirectory() as folder:
            source = Path(folder) / "sample.hdf5"
            WellReader.write_sample(source)
            with WellReader(source) as reader:
                write_cache([reader], path)


class _Layouts(Parser):
    """Files of a layout that is read and not written back, by the reader of that layout."""

    reader: ClassVar[type[StatesReader]]

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return every state of the file, and its layout."""
        reader = cls.reader(path)
        return [*(record.data for record in reader), reader.layout]

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write the sample of the reader."""
        cls.reader.write_sample(path)


class Grids(_Layouts):
    """HDF5 of other programs on regular grids; see `readers.grids`."""

    suffixes = (".h5",)
    reader = GridReader


class NetCDF3(_Layouts):
    """NetCDF-3 files."""

    suffixes = (".nc",)
    reader = NetCDF3Reader


class Arrays(_Layouts):
    """Files of numpy in the order of APEBench."""

    suffixes = (".npy",)
    reader = NumpyReader


class Scenes(_Layouts):
    """Scenes of PhiFlow, which are folders."""

    suffixes = (".scene",)
    reader = SceneReader


class VtkGrids(_Layouts):
    """Regular grids of VTK; a sample needs pyvista."""

    suffixes = (".vti",)
    reader = VtkReader
