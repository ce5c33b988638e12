"""Readers whose records are windows of recordings, rewritten in bounded memory and resumable."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scionwood import Record
from scionwood.authoring import RecordFunction, reading, writing
from scionwood_seismic.data.normalise import scale_in_blocks
from scionwood_seismic.readers.base import warn_rounded
from scionwood_seismic.readers.partial import NamedWork, Partial
from scionwood_seismic.readers.rewriting import RewritingReader, Stored
from scionwood_seismic.readers.windows import Window


class WindowedReader(RewritingReader[Stored]):
    """A reader whose records are windows along time of the recordings of a file."""

    _shared_axis = 1
    _kind = "DAS"
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
        with reading(self.path, self._kind):
            return self._record(window, self._values(window))

    def unit(self, record: Record) -> float | None:
        """Return the amplitude of the whole recording if a record is only a window of it.

        The amplitude is `normalise.scale_in_blocks` of all windows. If the record is a whole
        recording, the result is None.
        """
        if "window" not in record.key:
            return None
        number = next(int(record.key[name]) for name in ("patch", "group") if name in record.key)
        if self._unit is None or self._unit[0] != number:
            windows = [window for window in self._windows if window.slab == number]
            shortest = min(window.last - window.first for window in windows)
            pieces = (self._values(window)[:, :shortest] for window in windows)
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
        target, size = Path(target), self._size()
        identity = self._identity(function.identity) if isinstance(function, NamedWork) else None

        def complete(values: Path) -> None:
            self._complete(values, target, overwrite)

        with (
            writing(target, then=f"It needs {size + self.path.stat().st_size:,} bytes"),
            Partial(
                target, size, identity, overwrite=overwrite, resume=resume, complete=complete
            ) as part,
        ):
            dtype, clipped = self._compute(part, function)
        if dtype is not None:
            warn_rounded(self.path, dtype, clipped)

    def _fetch(self, index: int) -> Stored:
        with reading(self.path, self._kind):
            return self._stored(self._windows[index])

    def _decoded(self, index: int, stored: Stored) -> np.ndarray:
        with reading(self.path, self._kind):
            return self._data(self._windows[index], stored)

    def _record_of(self, index: int, stored: Stored, data: np.ndarray) -> Record:
        with reading(self.path, self._kind):
            return self._record(self._windows[index], data)

    def _continues(self, index: int) -> bool:
        return self._windows[index].number > 0

    def _unshared(self, index: int) -> int:
        window = self._windows[index]
        return window.kept - window.first

    def _traces_before(self, index: int) -> int:
        return sum(self._count(window.slab) for window in self._windows[:index])

    def _put(
        self, part: Partial, index: int, stored: Stored, before: np.ndarray, after: np.ndarray
    ) -> tuple[np.dtype | None, int]:
        changed = ~((after == before) | (np.isnan(after) & np.isnan(before)))
        return self._store(part, self._windows[index], stored, after, changed)

    def _identity(self, work: Mapping[str, Any]) -> dict[str, Any]:
        status = os.stat(self.path)
        source = {"bytes": status.st_size, "modified": status.st_mtime_ns}
        windows = [len(self), self._windows[0].last, self._windows[0].kept]
        return {"source": source, "windows": windows, **work}

    def _values(self, window: Window) -> np.ndarray:
        """Return the samples of a window as data, (trace, time) float32."""
        return self._data(window, self._stored(window))

    @abstractmethod
    def _stored(self, window: Window) -> Stored:
        """Return the samples of a window as stored."""

    @abstractmethod
    def _data(self, window: Window, stored: Stored) -> np.ndarray:
        """Return stored samples of a window as data, (trace, time) float32."""

    @abstractmethod
    def _record(self, window: Window, data: np.ndarray) -> Record:
        """Return the record of a window with its data."""

    @abstractmethod
    def _count(self, number: int) -> int:
        """Return the number of traces of a recording."""

    @abstractmethod
    def _size(self) -> int:
        """Return the bytes of all samples as stored."""

    @abstractmethod
    def _store(
        self, part: Partial, window: Window, stored: Stored, new: np.ndarray, changed: np.ndarray
    ) -> tuple[np.dtype | None, int]:
        """Write the samples of a window that no later one blends.

        Args:
            part: the file of all samples as stored.
            window: the window.
            stored: its samples as stored.
            new: the new data, (trace, time), without the samples that the next window shares.
            changed: which of them differ from the stored samples.

        Returns:
            The type of the changed samples, None if there are none, and how many were clipped.
        """

    @abstractmethod
    def _complete(self, values: Path, target: Path, overwrite: bool) -> None:
        """Write the target from the source and the file of all samples."""
