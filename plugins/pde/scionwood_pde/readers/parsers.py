"""A sample of a cache of states, which `scionwood check --fuzz` damages."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from scionwood.testing import Parser
from scionwood_pde.readers.cache import Cache, write_cache
from scionwood_pde.readers.well import WellReader


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
