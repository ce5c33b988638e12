"""The traces of a miniSEED file, unpacked in blocks of records, and packed again."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from scionwood import WriteError
from scionwood_seismic.readers.grouping import Header
from scionwood_seismic.readers.miniseed import walk
from scionwood_seismic.readers.sources import Source, Spans, Values, obspy, read_stream

_ENCODINGS: dict[str, np.dtype] = {
    "INT16": np.dtype("i2"),
    "INT32": np.dtype("i4"),
    "FLOAT32": np.dtype("f4"),
    "FLOAT64": np.dtype("f8"),
    "STEIM1": np.dtype("i4"),
    "STEIM2": np.dtype("i4"),
}
"""Encoding that ObsPy writes -> the type of the samples that it packs."""


class _Piece(NamedTuple):
    """The part of a trace that lies in one block.

    Attributes:
        block: the index of the block.
        number: the index of the trace among those of the block.
        first: the sample of the trace with which the part begins.
        samples: number of samples.
    """

    block: int
    number: int
    first: int
    samples: int


@dataclass
class _Trace:
    """A trace, from the blocks that hold it.

    Attributes:
        stats: ObsPy's header of its first part.
        samples: number of samples.
        pieces: its parts, in the order of time.
    """

    stats: Any
    samples: int = 0
    pieces: list[_Piece] = field(default_factory=list)

    def add(self, block: int, index: int, samples: int) -> None:
        """Append the part of the trace that lies in a block."""
        self.pieces.append(_Piece(block, index, self.samples, samples))
        self.samples += samples

    def continues(self, stats: Any) -> bool:
        """Return whether a part begins where the trace ends, within half a sample."""
        expected = self.stats.starttime + self.samples * self.stats.delta
        return abs(float(stats.starttime - expected)) <= 0.5 * float(self.stats.delta)


@final
class MiniSeed(Source):
    """miniSEED, which ObsPy unpacks, and packs again if samples changed.

    Blocks of some MiB of records are unpacked at a time. Records that do not state their length are
    one block.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            # The seventh byte of a data record is its quality; control headers of full SEED have
            # others.
            self._full = file.read(7)[6:] not in (b"D", b"R", b"Q", b"M")
        self._extras = walk(path)
        self._unpacked: tuple[int, Any] | None = None
        self._traces, left = self._scan()
        if left:
            text = f"{path.name}: {left} traces without numbers (logs, empty) are skipped"
            warnings.warn(text, stacklevel=6)
        first = self._traces[0].stats.starttime if self._traces else None
        self.headers = [
            Header(
                _name(trace.stats),
                trace.samples,
                float(trace.stats.delta),
                float(trace.stats.starttime - first),
            )
            for trace in self._traces
        ]
        self.starts = [str(trace.stats.starttime) for trace in self._traces]
        self.delays = [0.0] * len(self._traces)

    def rows(self, traces: Sequence[int], first: int, last: int) -> list[np.ndarray]:
        """Return a range of the samples of some traces, (time,) each, as stored."""
        rows: list[list[np.ndarray]] = [[] for _ in traces]
        segments = [
            (piece.block, piece.first, row, piece)
            for row, i in enumerate(traces)
            for piece in self._traces[i].pieces
            if piece.first < last and piece.first + piece.samples > first
        ]
        for block, start, row, piece in sorted(segments):
            data = np.asarray(self._block(block)[piece.number].data)
            rows[row].append(data[max(0, first - start) : last - start])
        return [np.concatenate(parts) if len(parts) > 1 else parts[0] for parts in rows]

    def dtype(self, i: int) -> np.dtype:
        """Return the type in which the file stores the samples of a trace."""
        encoding: str = self._traces[i].stats.mseed.encoding
        if self._full:
            rule = "full SEED: its control headers would be lost"
            raise WriteError(str(self.path), rule, "Extract its data records as miniSEED")
        if encoding not in _ENCODINGS:
            rule = f"miniSEED encoding {encoding} cannot be written, only {', '.join(_ENCODINGS)}"
            raise WriteError(str(self.path), rule, "Convert the file to one of them first")
        return _ENCODINGS[encoding]

    def write(self, copy: Path, spans: Spans, values: Values) -> None:
        """Store new samples in a copy of the file."""
        if all(self._same(span, values) for span in spans):
            return
        if str(self._extras):
            text = f"{self.path.name}: {self._extras} of its records are not kept"
            warnings.warn(text, stacklevel=4)
        parts: dict[int, list[tuple[int, int]]] = {}
        for traces, first, last in spans:
            for i in traces:
                parts.setdefault(i, []).append((first, last))
        with copy.open("wb") as file:
            for i in sorted(parts):
                for first, last in parts[i]:
                    file.write(self._pack(i, first, values(i, first, last)))

    def _same(self, span: tuple[Sequence[int], int, int], values: Values) -> bool:
        """Return whether the new samples of a range are the old ones."""
        traces, first, last = span
        olds = self.rows(traces, first, last)
        pairs = zip(traces, olds, strict=True)
        return all(
            old.astype(self.dtype(i)).tobytes() == values(i, first, last).tobytes()
            for i, old in pairs
        )

    def _pack(self, i: int, first: int, values: np.ndarray) -> bytes:
        stats = deepcopy(self._traces[i].stats)
        stats.starttime += first * stats.delta
        stats.npts = len(values)  # libmseed packs as many as the header says
        trace = obspy.Trace(values, stats)
        packed = io.BytesIO()
        try:
            trace.write(packed, format="MSEED")
        except Exception as error:  # classes of ObsPy, made from messages of libmseed
            text = str(error).strip().splitlines()[0]
            rule = f"{trace.id} cannot be packed as {stats.mseed.encoding} ({text})"
            raise WriteError(str(self.path), rule, "Convert the file to FLOAT32") from error
        return packed.getvalue()

    def _scan(self) -> tuple[list[_Trace], int]:
        """Return the traces with samples, and how many others there are."""
        traces: list[_Trace] = []
        last: dict[tuple[object, ...], _Trace] = {}
        left = 0
        for block in range(len(self._extras.blocks)):
            for index, part in enumerate(self._block(block, headonly=True)):
                stats = part.stats
                if not stats.npts or stats.sampling_rate <= 0 or stats.mseed.encoding == "ASCII":
                    left += 1
                    continue
                kind = (
                    _name(stats),
                    stats.sampling_rate,
                    stats.mseed.encoding,
                    stats.mseed.dataquality,
                )
                trace = last.get(kind)
                if trace is None or not trace.continues(stats) or trace.pieces[-1].block == block:
                    trace = last[kind] = _Trace(stats)
                    traces.append(trace)
                trace.add(block, index, int(stats.npts))
        return traces, left

    def _block(self, number: int, *, headonly: bool = False) -> Any:
        """Return ObsPy's stream of a block; the last one with samples is kept."""
        if self._unpacked is not None and self._unpacked[0] == number:
            return self._unpacked[1]
        first, last = self._extras.blocks[number]
        with self.path.open("rb") as file:
            file.seek(first)
            content = io.BytesIO(file.read(last - first))
        stream = read_stream(self.path, "MSEED", content, headonly=headonly)
        if not headonly:
            self._unpacked = number, stream
        return stream


def _name(stats: Any) -> str:
    return ".".join((stats.network, stats.station, stats.location, stats.channel))
