"""Rewrite a file part by part: read ahead, change, blend what parts share, write, and resume."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import numpy as np

from scionwood import Record, WriteError
from scionwood.authoring import RecordFunction
from scionwood_seismic.readers.base import SeismicReader
from scionwood_seismic.readers.blending import blended
from scionwood_seismic.readers.partial import Partial

Stored = TypeVar("Stored")
"""The samples of a part in the types of the file."""

AHEAD = 32 << 20
"""Bytes of samples up to which the next part is read while a function works on this one."""


class RewritingReader(SeismicReader, Generic[Stored]):
    """A reader whose records are whole gathers, or parts that share traces or samples."""

    remote = ("unit",)
    leaves: ClassVar[tuple[str, ...]] = (".{name}.part", ".{name}.part.json")  # see `Partial`
    resumed = 0
    _shared_axis: ClassVar[int]  # of the data, along which parts share: 0 traces, 1 samples
    _reads_ahead: ClassVar[bool] = hasattr(os, "preadv")  # else a file has one position

    def _compute(self, part: Partial, function: RecordFunction) -> tuple[np.dtype | None, int]:
        """Write what `part` lacks; return the type of changed samples, and how many were clipped.

        Where two parts share traces or samples, their results are blended.
        """
        dtype, clipped, first = None, 0, part.done
        if 0 < first < len(self) and self._continues(first):
            first -= 1  # the blend needs the end of the previous part again
        self.resumed = self._traces_before(first)
        tail: np.ndarray | None = None
        for i, stored in self._fetched(first):
            before = self._decoded(i, stored)
            record = self._record_of(i, stored, before.copy())  # the function may work in place
            after = self._joined(tail, _result(self.path, function, record))
            count = self._unshared(i)
            body, tail = self._split(after, count)
            if i < part.done:
                continue
            changed, lost = self._put(part, i, stored, self._split(before, count)[0], body)
            dtype, clipped = dtype if changed is None else changed, clipped + lost
            part.record(i + 1)
        return dtype, clipped

    def _fetched(self, first: int) -> Iterator[tuple[int, Stored]]:
        """Yield the parts from an index on; small ones are read while the last one is in use."""
        with ThreadPoolExecutor(1) as pool:
            later: Future[Stored] | None = None
            for i in range(first, len(self)):
                now = later.result() if later else self._fetch(i)
                small = self._reads_ahead and self._bytes(now) <= AHEAD
                later = pool.submit(self._fetch, i + 1) if small and i + 1 < len(self) else None
                yield i, now

    def _joined(self, tail: np.ndarray | None, after: np.ndarray) -> np.ndarray:
        """Blend the start of a result with the end of the one before."""
        if tail is None:
            return after
        along = self._shared_axis
        old, new = np.moveaxis(tail, along, 0), np.moveaxis(after, along, 0)
        result = np.concatenate([blended(old, new[: len(old)]), new[len(old) :]])
        return np.moveaxis(result, 0, along)

    def _split(self, data: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return what no later part shares, and a copy of the rest; None if there is no rest."""
        if count == data.shape[self._shared_axis]:
            return data, None
        if self._shared_axis == 0:
            return data[:count], data[count:].copy()
        return data[:, :count], data[:, count:].copy()

    @abstractmethod
    def _fetch(self, index: int) -> Stored:
        """Read a part as stored. Another thread may call it."""

    @abstractmethod
    def _bytes(self, stored: Stored) -> int:
        """Return the size of a part in memory."""

    @abstractmethod
    def _decoded(self, index: int, stored: Stored) -> np.ndarray:
        """Return a part as data, (trace, time) float32."""

    @abstractmethod
    def _record_of(self, index: int, stored: Stored, data: np.ndarray) -> Record:
        """Return the record of a part with its data."""

    @abstractmethod
    def _continues(self, index: int) -> bool:
        """Return whether a part shares traces or samples with the one before."""

    @abstractmethod
    def _unshared(self, index: int) -> int:
        """Return how many traces or samples of a part no later one shares."""

    @abstractmethod
    def _traces_before(self, index: int) -> int:
        """Return the number of traces in all parts before an index."""

    @abstractmethod
    def _put(
        self, part: Partial, index: int, stored: Stored, before: np.ndarray, after: np.ndarray
    ) -> tuple[np.dtype | None, int]:
        """Write the samples of a part that no later one shares.

        Args:
            part: the unfinished file.
            index: the index of the part.
            stored: all its samples as stored.
            before: its data, (trace, time), without what the next part shares.
            after: the new data.

        Returns:
            The type of the changed samples, None if there are none, and how many were clipped.
        """


def _result(path: Path, function: RecordFunction, record: Record) -> np.ndarray:
    shape = record.data.shape  # the function may work in place
    after = np.asarray(function(record))
    if after.shape != shape:
        rule = f"record {dict(record.key)} came back as {after.shape}, it was {shape}"
        raise WriteError(str(path), rule, "A function must keep the shape")
    return after
