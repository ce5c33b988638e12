"""Sources of the gathers of a survey: field files, or a simulation."""

from __future__ import annotations

import glob
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import Generic, Literal, TypeVar, final

import numpy as np

from scionwood import Reader, ReadError, RecipeError, load
from scionwood.authoring import DataFiles
from scionwood_seismic import plugin
from scionwood_seismic.data.normalise import live, scale
from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.readers.base import SeismicReader
from scionwood_seismic.readers.opening import open_file
from scionwood_seismic.readers.segy import Gather, SegyReader
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.signal import draw_gather

SIMULATED_GATHERS, SIMULATED_NOISE, SIMULATED_DT = 30, ("erratic", "fading"), 0.002

OPEN_FILES = 8
"""Files that each process keeps open."""

SHORTEST_WINDOW = 16
"""The shortest noise window, samples."""

T = TypeVar("T")


@dataclass(frozen=True)
class SurveyGather:
    """The live traces of a gather, divided by their scale.

    Attributes:
        noisy: (trace, time).
        clean: the reference, of the same shape; None for field records.
        quiet: length of the signal-free start, samples.
    """

    noisy: np.ndarray
    clean: np.ndarray | None
    quiet: int


class Source(ABC):
    """A source of gathers.

    Attributes:
        groups: the indices of records that must stay in one split.
    """

    groups: list[list[int]]

    @abstractmethod
    def read(self, index: int) -> SurveyGather:
        """Return one record."""


@final
class SimulatedSurvey(Source):
    """A simulated survey with two noise classes, a signal-free start and a noise-free reference."""

    def __init__(self, shape: tuple[int, int], noise_window: float, seed: int) -> None:
        self.shape, self.seed = shape, seed
        self.groups = [[i] for i in range(SIMULATED_GATHERS)]
        self.quiet = _quiet(noise_window, SIMULATED_DT, None, "the simulated survey")

    def read(self, index: int) -> SurveyGather:
        """Generate one gather."""
        rng = generator(self.seed, "simulate", index)
        signal = draw_gather(rng, (2 * self.shape[0], self.shape[1]), dt=SIMULATED_DT)
        clean = np.pad(signal, ((0, 0), (self.quiet, 0)))
        kind = SIMULATED_NOISE[index % len(SIMULATED_NOISE)]
        noisy = corrupt(rng, clean, kind, rng.uniform(-3, 3), dt=SIMULATED_DT)
        unit = scale(noisy)
        return SurveyGather(noisy / unit, clean / unit, self.quiet)


@final
class FieldFiles(Source):
    """The gathers of files. Files are opened on first use, so that each worker opens its own."""

    def __init__(
        self,
        files: list[Path],
        gather: Gather | Literal["none"],
        noise_window: float,
        data_files: DataFiles,
    ) -> None:
        self.noise_window, self.data_files = noise_window, data_files
        self.key: Gather | None = None if gather == "none" else gather
        self._open: Recent[SeismicReader] = Recent(OPEN_FILES, methodcaller("close"))
        self.places: list[tuple[int, int]] = []
        self.groups = []
        counts = data_files.readable(files, self._count, self._check)
        self.files = list(counts)
        for number, (count, in_parts) in enumerate(counts.values()):
            indices = [len(self.places) + place for place in range(count)]
            self.places += [(number, place) for place in range(count)]
            self.groups += [indices] if in_parts else [[i] for i in indices]

    def _count(self, file: Path) -> tuple[int, bool]:
        with open_file(file, gather=self.key) as reader:
            return len(reader), _in_parts(reader)

    def _check(self, file: Path) -> None:
        with open_file(file, gather=self.key) as reader:
            deque(reader, maxlen=0)

    def read(self, index: int) -> SurveyGather:
        """Read one gather.

        Raises:
            ReadError: the file is damaged.
            RecipeError: the noise window does not fit the record.
        """
        number, place = self.places[index]
        file = self.files[number]
        with self.data_files.one_child(file):
            reader = self._open.get(number, lambda: open_file(file, gather=self.key))
            data = reader.read(place).data
        signal = data[live(data)].astype(np.float32)
        quiet = _quiet(self.noise_window, reader.dt, data.shape[1], str(file))
        return SurveyGather(signal / np.float32(scale(signal)), None, quiet)


def _in_parts(reader: Reader) -> bool:
    """Return whether a gather is split over several records, which share some of its traces."""
    return isinstance(reader, SegyReader) and len(reader) != len(reader.gather_lengths)


def find_files(path: str) -> list[Path]:
    """Return the files that a path, a folder or a glob names, sorted.

    Raises:
        ReadError: there is no such file.
    """
    where = Path(path)
    if where.is_file():
        candidates = [where]
    elif where.is_dir():
        readers = [load("readers", f"{plugin.name}/{name}") for name in plugin.readers]
        suffixes = {suffix for reader in readers for suffix in reader.suffixes}
        candidates = [file for file in where.iterdir() if file.suffix.lower() in suffixes]
    else:
        candidates = [Path(name) for name in glob.glob(path, recursive=True)]
    files = sorted(file for file in candidates if file.is_file())
    if not files:
        raise ReadError(path, "no seismic file is there", "Give data.path a file, folder or glob")
    return files


@final
class Recent(Generic[T]):
    """A cache of the values used last.

    Args:
        size: how many values are kept.
        drop: called with each value that leaves the cache.
    """

    def __init__(self, size: int, drop: Callable[[T], None] | None = None) -> None:
        self.size, self.drop = size, drop
        self.values: OrderedDict[int, T] = OrderedDict()

    def get(self, key: int, make: Callable[[], T]) -> T:
        """Return the value of a key; a missing value is made after the oldest one has left."""
        if key not in self.values and len(self.values) >= self.size:
            dropped = self.values.popitem(last=False)[1]
            if self.drop is not None:
                self.drop(dropped)
        if key not in self.values:
            self.values[key] = make()
        self.values.move_to_end(key)
        return self.values[key]


def _quiet(noise_window: float, dt: float, samples: int | None, where: str) -> int:
    """Return the length of the noise window, samples."""
    quiet = round(noise_window / dt)
    if noise_window and not SHORTEST_WINDOW <= quiet < (samples or np.inf):
        rule = f"it is {quiet} samples of {where}; at least {SHORTEST_WINDOW} must fit a record"
        raise RecipeError(f"noise_window {noise_window} s", rule, "Change data.noise_window")
    return quiet
