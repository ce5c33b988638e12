"""The gathers of a SEG-Y file: which traces form them, and the parts of long gathers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from scionwood import ReadError
from scionwood.authoring import reading
from scionwood_seismic.readers.layout import Layout
from scionwood_seismic.readers.positions import open_binary, read_at

KEYS = {"fldr": 9, "ep": 17, "cdp": 21, "offset": 37, "iline": 189, "xline": 193}
"""Name of a trace header -> its first byte, counted from 1."""

CHUNK = 4 << 20  # bytes per read in the header scan
SPARSE = 64 << 10  # bytes; for longer traces only the headers are read, not the samples


class Part(NamedTuple):
    """One record: a gather, a part of it, and the range of the gather's traces in that part."""

    gather: int
    number: int
    first: int
    last: int


@final
class Gathers:
    """The gathers of a file in the order of their first traces, stored as arrays.

    Attributes:
        names: the header value of each gather.
        lengths: number of traces of each gather.
        overlap: number of traces that consecutive parts of a gather share.

    Args:
        values: the header value of each trace, (trace,); None if the file is one gather.
        traces: number of traces in the file.
        block: the largest number of traces in a part.
        overlap: number of traces that consecutive parts of a gather share.
    """

    def __init__(self, values: np.ndarray | None, traces: int, block: int, overlap: int) -> None:
        if values is None:
            self.names = np.zeros(1, np.int64)
            self._order: np.ndarray | None = None
            self._starts = np.array([0, traces])
        else:
            order = np.argsort(values, kind="stable")
            ranked = values[order]
            edges = np.flatnonzero(np.diff(ranked)) + 1
            starts, ends = np.r_[0, edges], np.r_[edges, traces]
            file_order = np.argsort(order[starts], kind="stable")
            self.names = ranked[starts][file_order].astype(np.int64)
            # Gather by gather, each in file order, so that a part is one slice.
            lengths = (ends - starts)[file_order]
            self._starts = np.r_[0, np.cumsum(lengths)]
            shift = np.repeat(starts[file_order] - self._starts[:-1], lengths)
            self._order = order[np.arange(traces) + shift]
        self._step, self.overlap = block - overlap, overlap
        self.lengths = lengths = np.diff(self._starts)
        self._sorter = np.argsort(self.names)
        counts = np.maximum(1, -(-(lengths - overlap) // self._step))
        self._ends = np.cumsum(counts)

    def __len__(self) -> int:
        """Return the number of parts."""
        return int(self._ends[-1])

    def part(self, index: int) -> Part:
        """Return the part of an index."""
        gather = int(np.searchsorted(self._ends, index, side="right"))
        number = index - (int(self._ends[gather - 1]) if gather else 0)
        length = int(self._starts[gather + 1] - self._starts[gather])
        first = number * self._step
        return Part(gather, number, first, min(first + self._step + self.overlap, length))

    def is_last(self, index: int) -> bool:
        """Return whether a part is the last one of its gather."""
        return index + 1 == int(self._ends[self.part(index).gather])

    def before(self, index: int) -> int:
        """Return the number of traces before a part, counted gather by gather."""
        part = self.part(index) if index < len(self) else None
        return int(self._starts[part.gather] + part.first if part else self._starts[-1])

    def traces(self, part: Part) -> np.ndarray:
        """Return the trace numbers of a part in the file, from 0, ascending."""
        start = int(self._starts[part.gather])
        if self._order is None:
            return np.arange(start + part.first, start + part.last)
        return self._order[start + part.first : start + part.last]

    def find(self, name: int) -> int:
        """Return the index of the gather with a header value."""
        return int(self._sorter[np.searchsorted(self.names, name, sorter=self._sorter)])

    def blocks(self, gather: int, size: int) -> list[np.ndarray]:
        """Return the trace numbers of a gather in disjoint pieces of a size."""
        start, end = int(self._starts[gather]), int(self._starts[gather + 1])
        edges = range(0, end - start, size)
        return [self.traces(Part(gather, 0, at, min(at + size, end - start))) for at in edges]


def header_words(
    path: Path, file: int, layout: Layout, fields: Mapping[str, tuple[int, str]]
) -> dict[str, np.ndarray]:
    """Read header fields of all traces, with a few MiB of memory besides the result.

    Args:
        path: the name of the file, for errors.
        file: its descriptor.
        layout: the layout of its traces.
        fields: name -> first byte in the trace header, counted from 1, and type without byte order.

    Returns:
        Name -> values, (trace,), in native byte order.

    Raises:
        ReadError: the file ends early.
    """
    values = {name: np.empty(layout.traces, kind) for name, (_, kind) in fields.items()}
    if layout.stride >= SPARSE:
        buffer = np.empty((1, layout.header), np.uint8)
    else:
        buffer = np.empty((max(1, CHUNK // layout.stride), layout.stride), np.uint8)
    for at in range(0, layout.traces, len(buffer)):
        rows = buffer[: layout.traces - at]
        read_into(path, file, rows, layout.start + at * layout.stride)
        for name, (byte, kind) in fields.items():
            size = np.dtype(kind).itemsize
            words = np.ascontiguousarray(rows[:, byte - 1 : byte - 1 + size])
            values[name][at : at + len(rows)] = words.view(layout.order + kind)[:, 0]
    return values


def header_word(path: Path, layout: Layout, traces: np.ndarray, name: str) -> np.ndarray:
    """Read one of the header fields `KEYS` of some traces, (trace,).

    Raises:
        ReadError: the file ends early.
    """
    file = open_binary(path)
    try:
        rows = read_headers(path, file, layout, traces)
    finally:
        os.close(file)
    first = KEYS[name] - 1
    words = np.ascontiguousarray(rows[:, first : first + 4])
    return words.view(layout.order + "i4")[:, 0].astype(np.int64)


def read_headers(path: Path, file: int, layout: Layout, traces: np.ndarray) -> np.ndarray:
    """Read the headers of some traces, (trace, byte) uint8.

    Raises:
        ReadError: the file ends early.
    """
    headers = np.empty((len(traces), layout.header), np.uint8)
    for row, trace in zip(headers, traces.tolist(), strict=True):
        read_into(path, file, row, layout.start + trace * layout.stride)
    return headers


def read_into(path: Path, file: int, target: np.ndarray, offset: int) -> None:
    """Fill a contiguous array with the bytes from an offset.

    Raises:
        ReadError: the file ends early, or the device reports an error.
    """
    view = target.data.cast("B")
    with reading(path, "SEG-Y"):
        while view.nbytes:
            count = read_at(file, view, offset)
            if count == 0:
                raise ReadError(str(path), "the SEG-Y file became shorter", "Copy it again")
            view, offset = view[count:], offset + count


def runs(traces: np.ndarray) -> Iterator[tuple[int, slice]]:
    """Yield the first trace of each run of consecutive traces, and the rows of the run."""
    edges = np.flatnonzero(np.diff(traces) != 1) + 1
    for first, last in zip([0, *edges.tolist()], [*edges.tolist(), len(traces)], strict=True):
        yield int(traces[first]), slice(first, last)
