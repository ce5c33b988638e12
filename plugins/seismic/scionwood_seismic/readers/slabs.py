"""Two-dimensional HDF5 data sets, read and rewritten in windows of bounded memory."""

from __future__ import annotations

import os
import shutil
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scionwood import Record, RecordFunction, atomic_path, reading, writing
from scionwood_seismic.data.normalise import scale_in_blocks
from scionwood_seismic.readers.base import SeismicReader, changed_data, encode, warn_rounded
from scionwood_seismic.readers.blending import blended
from scionwood_seismic.readers.partial import NamedWork, Partial
from scionwood_seismic.readers.windows import Window

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True)
class Slab:
    """A data set of distance and time.

    Attributes:
        name: its path in the file.
        time_axis: which of its two axes is time.
        traces: number of traces.
        samples: samples per trace.
        dtype: the type of the stored values, in the notation of numpy.
        scale: the data of a record are the stored values times this factor.
    """

    name: str
    time_axis: int
    traces: int
    samples: int
    dtype: str
    scale: float = 1.0

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return self.traces * self.samples * np.dtype(self.dtype).itemsize

    def where(self, first: int, last: int) -> tuple[slice, slice]:
        """Return the index of a range of samples in the data set."""
        rest = slice(None)
        return (slice(first, last), rest) if self.time_axis == 0 else (rest, slice(first, last))

    def stored(self, file: h5py.File, first: int, last: int) -> np.ndarray:
        """Return a range of samples as stored, (time, trace)."""
        values = np.asarray(file[self.name][self.where(first, last)])
        return np.ascontiguousarray(values if self.time_axis == 0 else values.T)

    def data(self, stored: np.ndarray) -> np.ndarray:
        """Return stored values as the data of a record, (trace, time) float32."""
        values = stored.T if self.scale == 1.0 else stored.T * self.scale
        return np.ascontiguousarray(values, dtype=np.float32)


class SlabReader(SeismicReader):
    """A reader whose records are windows of the data sets of an HDF5 file."""

    remote = ("unit",)
    leaves: ClassVar[tuple[str, ...]] = (".{name}.part", ".{name}.part.json")
    resumed = 0
    _slabs: list[Slab | None]
    _windows: Sequence[Window]
    _unit: tuple[int, float] | None = None

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def traces_read(self) -> int:
        """The number of traces in all records; a trace counts once for each window."""
        return sum(self._count(window.slab) for window in self._windows)

    def read(self, index: int) -> Record:
        """Read the record of an index, from 0."""
        window = self._windows[range(len(self))[index]]
        with reading(self.path, "DAS"):
            return self._record(window, self._values(window)[1])

    def unit(self, record: Record) -> float | None:
        """Return the amplitude of the whole recording if a record is only a window of it.

        The amplitude is `normalise.scale_in_blocks` of all windows. If the record is a whole
        recording, the result is None.
        """
        if "window" not in record.key:
            return None
        number = int(record.key["patch"])
        if self._unit is None or self._unit[0] != number:
            windows = [window for window in self._windows if window.slab == number]
            shortest = min(window.last - window.first for window in windows)
            pieces = (self._values(window)[1][:, :shortest] for window in windows)
            self._unit = number, scale_in_blocks(pieces)
        return self._unit[1]

    def rewrite(
        self,
        target: str | Path,
        function: RecordFunction,
        *,
        overwrite: bool = False,
        resume: bool = False,
    ) -> None:
        """Write a copy of the file with the samples that `function` changed.

        The new values are collected in a file beside the target, and put into the copy at the end.
        Unchanged samples keep their bits. Integers are rounded and clipped to their range, with a
        warning. If `function` has an `identity`, a killed run can be resumed.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the file cannot be written, the shape changed, or the unfinished run is of
                other work.
        """
        target = Path(target)
        sizes = [self._slab(window.slab).size for window in self._windows if not window.number]
        starts = np.r_[0, np.cumsum(sizes)].tolist()

        def complete(values: Path) -> None:
            with atomic_path(target, overwrite=overwrite) as copy:
                shutil.copyfile(self.path, copy)
                self._fill(copy, values, starts)

        identity = self._identity(function.identity) if isinstance(function, NamedWork) else None
        needed = f"It needs {starts[-1] + self.path.stat().st_size:,} bytes"
        with (
            writing(target, then=needed),
            Partial(
                target,
                starts[-1],
                identity,
                overwrite=overwrite,
                resume=resume,
                complete=complete,
            ) as part,
        ):
            dtype, clipped = self._compute(part, function, starts)
        if dtype is not None:
            warn_rounded(self.path, dtype, clipped)

    def _compute(
        self, part: Partial, function: RecordFunction, starts: list[int]
    ) -> tuple[np.dtype | None, int]:
        """Write the new values that `part` lacks; return their type and the number of clipped."""
        dtype, clipped, first = None, 0, part.done
        if 0 < first < len(self) and self._windows[first].number:
            first -= 1  # the blend needs the end of the previous window again
        self.resumed = sum(self._count(window.slab) for window in self._windows[:first])
        tail = np.empty((0, 0), np.float32)
        for i, window in enumerate(self._windows[first:], first):
            with reading(self.path, "DAS"):
                stored, data = self._values(window)
                record = self._record(window, data)
            before = data.copy()
            after, _ = changed_data(self.path, record, function)
            if window.number and len(tail):
                shared = len(tail)
                after = np.concatenate([blended(tail, after[:, :shared].T).T, after[:, shared:]], 1)
            count = window.kept - window.first
            tail = after[:, count:].T.copy()
            if i < part.done:
                continue
            lost = self._merge(window, stored, before, after)
            dtype, clipped = (dtype if lost is None else stored.dtype), clipped + (lost or 0)
            row = stored.nbytes // len(stored)
            at = starts[window.slab] + window.first * row
            part.write(stored[:count].data.cast("B"), at)
            part.record(i + 1)
        return dtype, clipped

    def _merge(
        self, window: Window, stored: np.ndarray, before: np.ndarray, after: np.ndarray
    ) -> int | None:
        """Put changed samples into the stored values; return how many were clipped, None: none."""
        count = window.kept - window.first
        old, new = before[:, :count], after[:, :count]
        changed = ~((new == old) | (np.isnan(new) & np.isnan(old)))
        if not changed.any():
            return None
        values, lost = encode(new[changed] / self._slab(window.slab).scale, stored.dtype)
        stored[:count].T[changed] = values
        return lost

    def _fill(self, copy: Path, values: Path, starts: list[int]) -> None:
        """Put the collected values into the copy, where they differ from what it holds."""
        import h5py

        with h5py.File(copy, "r+") as file, values.open("rb") as source:
            for window in self._windows:
                slab = self._slab(window.slab)
                count = (window.kept - window.first) * slab.traces
                row = slab.traces * np.dtype(slab.dtype).itemsize
                source.seek(starts[window.slab] + window.first * row)
                new = np.fromfile(source, slab.dtype, count).reshape(-1, slab.traces)
                if new.tobytes() != slab.stored(file, window.first, window.kept).tobytes():
                    place = slab.where(window.first, window.kept)
                    file[slab.name][place] = new if slab.time_axis == 0 else new.T

    def _identity(self, work: Mapping[str, Any]) -> dict[str, Any]:
        status = os.stat(self.path)
        source = {"bytes": status.st_size, "modified": status.st_mtime_ns}
        windows = [len(self), self._windows[0].last, self._windows[0].kept]
        return {"source": source, "windows": windows, **work}

    def _values(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Return the samples of a window as stored, (time, trace), and as data, (trace, time)."""
        slab = self._slab(window.slab)
        import h5py

        with h5py.File(self.path) as file:
            stored = slab.stored(file, window.first, window.last)
        return stored, slab.data(stored)

    def _slab(self, number: int) -> Slab:
        slab = self._slabs[number]
        assert slab is not None
        return slab

    @abstractmethod
    def _record(self, window: Window, data: np.ndarray) -> Record:
        """Return the record of a window with its data."""

    @abstractmethod
    def _count(self, number: int) -> int:
        """Return the number of traces of a recording."""
