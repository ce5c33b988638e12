"""SEG-Y: read gathers one at a time, and write results back with every header byte unchanged."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, final

import numpy as np

from scionwood import Record, WriteError
from scionwood.authoring import RecordFunction, empty_record, writing
from scionwood_seismic.data.normalise import scale_in_blocks
from scionwood_seismic.readers.axis import interval, origin
from scionwood_seismic.readers.create import write_segy
from scionwood_seismic.readers.index import KEYS, Gathers, read_headers, read_into, runs
from scionwood_seismic.readers.layout import Endian, read_layout
from scionwood_seismic.readers.lengths import read_consistent_headers
from scionwood_seismic.readers.partial import NamedWork, Partial
from scionwood_seismic.readers.positions import open_binary
from scionwood_seismic.readers.rewriting import RewritingReader
from scionwood_seismic.readers.samples import FORMATS, decode, overwrite_changed
from scionwood_seismic.readers.spacing import trace_spacing

Gather = Literal["fldr", "ep", "cdp", "offset", "iline", "xline"]

OVERLAP = 64  # traces that two parts of a long gather share
LARGEST = 1 << 24  # samples in a part
LOOKED_AT = 128  # traces whose coordinates give the distance between traces
CHUNK = 1 << 20  # samples that are decoded or encoded at once


@final
class SegyReader(RewritingReader[np.ndarray]):
    """Read a SEG-Y file gather by gather, and write results into a copy with the same headers.

    The reader supports both byte orders and all sample formats of revisions 0 to 2 except the
    obsolete fixed point with gain: IBM and IEEE floats, doubles, and signed and unsigned integers
    of 8 to 64 bits. All traces must have the same length.

    A gather of more than `block` traces is read in parts with the same key, which bounds memory.
    Consecutive parts share 64 traces, over which `rewrite` blends their results without a seam.
    `unit` gives all parts one amplitude.

    No reliable header states whether the vertical axis is time or depth, so it is an option. In a
    depth file, an interval below 250 is in metres (or feet, if the binary header says so), as the
    standard requires. From 250 on it is in thousandths of them, as most programs write it.

    Args:
        path: the file.
        gather: the trace header whose value identifies a gather; its traces may lie anywhere in the
            file. One of `fldr` (shot), `ep`, `cdp`, `offset`, `iline`, `xline`. None: the file is
            one gather, whose parts are called blocks.
        block: the largest number of traces in a record; by default that of 16 Mi samples.
        vertical: whether the samples are in time or in depth.
        samples: samples per trace, if the headers give a wrong number.
        dt: the sample interval, s or m, if the headers give a wrong one or none.
        endian: the byte order, if it is not to be found from the headers.

    Shapes: the data of a record is (trace, time) or (trace, depth), float32.

    Units: time in s, from the recording delay of the first trace of the gather, or depth in m. The
    file does not state the unit of the samples.

    Raises:
        ReadError: the file is missing, truncated, empty or not SEG-Y, or its sample format is not
            supported; its traces have several lengths or intervals, or no interval.

    Source: SEG-Y revision 1, SEG, 2002, and revision 2, 2017.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".sgy", ".segy")
    _shared_axis = 0

    def __init__(
        self,
        path: str | Path,
        *,
        gather: Gather | None = None,
        block: int | None = None,
        vertical: Literal["time", "depth"] = "time",
        samples: int | None = None,
        dt: float | None = None,
        endian: Endian | None = None,
    ) -> None:
        self.path, self.gather, self.vertical = Path(path), gather, vertical
        self.dims = ("trace", vertical)
        axis = "s" if vertical == "time" else "m"
        self.units: Mapping[str, str] = {"trace": "1", vertical: axis, "data": "unknown"}
        self.layout = read_layout(self.path, samples=samples, endian=endian)
        self._file = open_binary(self.path)
        self._unit: tuple[int, float] | None = None
        try:
            key = (KEYS[gather], "i4") if gather else None
            check = samples is None
            self.layout, words = read_consistent_headers(
                self.path, self._file, self.layout, key, check=check
            )
            self.dt, doubts = interval(self.path, self.layout, words["dt"], vertical, dt)
            self.traces, self.resumed = self.layout.traces, 0
            self._index(words.get("key"), block)
            first = self._gathers.traces(self._gathers.part(0))[:LOOKED_AT]
            headers = read_headers(self.path, self._file, self.layout, first)
            self.dx = trace_spacing(headers, self.layout)
            self.warnings = self.layout.warnings + doubts
            self.warn()
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._gathers)

    @property
    def gather_names(self) -> np.ndarray:
        """The header value of each gather, (gather,)."""
        return self._gathers.names

    @property
    def gather_lengths(self) -> np.ndarray:
        """The number of traces of each gather, (gather,)."""
        return self._gathers.lengths

    @property
    def traces_read(self) -> int:
        """The number of traces in all records; traces in two parts count twice."""
        shared = self._gathers.overlap * (len(self) - len(self.gather_lengths))
        return self.traces + shared

    def read(self, index: int) -> Record:
        """Read the record of an index, from 0."""
        raw = self._fetch(range(len(self))[index])
        return self._record_of(index, raw, self._decode(raw))

    def unit(self, record: Record) -> float | None:
        """Return the amplitude of the whole gather if a record is only a part of it.

        The amplitude is `normalise.scale` of evenly spaced live traces, up to some millions of
        samples. If the record is a whole gather, the result is None.
        """
        if len(self) == len(self._gathers.lengths):
            return None
        gather = self._gathers.find(int(record.key[self.gather])) if self.gather else 0
        if self._gathers.lengths[gather] <= self._block:
            return None
        if self._unit is None or self._unit[0] != gather:
            blocks = self._gathers.blocks(gather, self._block)
            pieces = (self._decode(self._raw(traces)) for traces in blocks)
            self._unit = gather, scale_in_blocks(pieces)
        return self._unit[1]

    def rewrite(
        self,
        target: str | Path,
        function: RecordFunction,
        *,
        overwrite: bool = False,
        resume: bool = False,
    ) -> None:
        """Write the file to `target` with the samples that `function` changed.

        Every header byte and every unchanged sample keeps its bits. Integers are rounded and
        clipped to their range, with a warning.

        If `function` has an `identity` (see `partial.NamedWork`), a killed run can be resumed. The
        result is then byte for byte that of a run that was not killed.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the file cannot be written, the shape changed, the result contains NaN and
                the sample format cannot, or the unfinished run is of other work.
        """
        identity = self._identity(function.identity) if isinstance(function, NamedWork) else None
        size = self.layout.size
        with (
            writing(target, then=f"It needs {size:,} bytes"),
            Partial(Path(target), size, identity, overwrite=overwrite, resume=resume) as part,
        ):
            if part.done == 0:
                self._copy_ends(part)
            _, clipped = self._compute(part, function)
        form = FORMATS[self.layout.format]
        if form.kind == "integer" or clipped:
            how = "samples were rounded, " if form.kind == "integer" else ""
            text = f"{self.path.name} stores {form.name}: {how}{clipped} clipped"
            warnings.warn(text, stacklevel=2)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two shots of 12 traces with 64 samples at 4 ms."""
        t = np.arange(64) * 0.004
        arrivals = 0.05 + 0.008 * np.arange(12)[:, None] + 0.02 * np.arange(2)[:, None, None]
        write_segy(path, np.exp(-(((t - arrivals) / 0.008) ** 2)), dt=0.004)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _fetch(self, index: int) -> np.ndarray:
        return self._raw(self._gathers.traces(self._gathers.part(index)))

    def _bytes(self, stored: np.ndarray) -> int:
        return stored.nbytes

    def _decoded(self, index: int, stored: np.ndarray) -> np.ndarray:
        return self._decode(stored)

    def _continues(self, index: int) -> bool:
        return self._gathers.part(index).number > 0

    def _unshared(self, index: int) -> int:
        traces = len(self._gathers.traces(self._gathers.part(index)))
        return traces - (0 if self._gathers.is_last(index) else self._gathers.overlap)

    def _traces_before(self, index: int) -> int:
        return self._gathers.before(index)

    def _put(
        self, part: Partial, index: int, stored: np.ndarray, before: np.ndarray, after: np.ndarray
    ) -> tuple[np.dtype | None, int]:
        if after.dtype not in (np.float32, np.float64):
            after = after.astype(np.float64)
        traces = self._gathers.traces(self._gathers.part(index))
        clipped = self._encode(stored[: len(after)], before, after)
        for run, rows in runs(traces[: len(after)]):
            part.write(stored[rows].data.cast("B"), self._offset(run))
        return None, clipped

    def _index(self, values: np.ndarray | None, block: int | None) -> None:
        fitting = max(2, LARGEST // self.layout.samples)
        self._block = fitting if block is None else max(2, block)
        shared = min(OVERLAP, self._block // 4)
        self._gathers = Gathers(values, self.traces, self._block, shared)

    def _encode(self, raw: np.ndarray, before: np.ndarray, after: np.ndarray) -> int:
        """Encode the changed samples into `raw`, and return the number of clipped ones."""
        code, order, clipped = self.layout.format, self.layout.order, 0
        try:
            for rows in self._chunks(len(raw)):
                samples = raw[rows, self.layout.header :]
                clipped += overwrite_changed(samples, before[rows], after[rows], code, order)
        except ValueError as error:
            rule = f"the result holds NaN, and {error}"
            raise WriteError(str(self.path), rule, "Convert the file to IEEE floats") from error
        return clipped

    def _copy_ends(self, part: Partial) -> None:
        """Copy the headers before the first trace, and the bytes after the last one."""
        end = self._offset(self.traces)
        for first, last in ((0, self.layout.start), (end, self.layout.size)):
            ends = np.empty(last - first, np.uint8)
            read_into(self.path, self._file, ends, first)
            part.write(ends.data, first)

    def _identity(self, work: Mapping[str, Any]) -> dict[str, Any]:
        """Return the work together with its source and the way it is read."""
        head = np.empty(self.layout.start, np.uint8)
        read_into(self.path, self._file, head, 0)
        status = os.fstat(self._file)
        source = {
            "bytes": status.st_size,
            "modified": status.st_mtime_ns,
            "headers": hashlib.sha256(head.data).hexdigest(),
        }
        reading: dict[str, Any] = {"gather": self.gather, "block": self._block}
        reading |= {"vertical": self.vertical, "samples": self.layout.samples, "dt": self.dt}
        return {"source": source, **reading, **work}

    def _record_of(self, index: int, stored: np.ndarray, data: np.ndarray) -> Record:
        part = self._gathers.part(index)
        name = int(self._gathers.names[part.gather]) if self.gather else part.number
        first = origin(stored[0], self.layout, self.vertical)
        axis = first + self.dt * np.arange(self.layout.samples)
        coords = {"trace": self._gathers.traces(part), self.vertical: axis}
        return Record({self.gather or "block": name}, data, coords)

    def _raw(self, traces: np.ndarray) -> np.ndarray:
        """Read headers and samples as stored, (trace, byte) uint8."""
        raw = np.empty((len(traces), self.layout.stride), np.uint8)
        for first, rows in runs(traces):
            read_into(self.path, self._file, raw[rows], self._offset(first))
        return raw

    def _decode(self, raw: np.ndarray) -> np.ndarray:
        data = empty_record((len(raw), self.layout.samples), np.float32)
        for rows in self._chunks(len(raw)):
            data[rows] = decode(
                raw[rows, self.layout.header :], self.layout.format, self.layout.order
            )
        return data

    def _chunks(self, count: int) -> Iterator[slice]:
        """Yield rows of about a million samples, which fit in the cache of the processor."""
        step = max(1, CHUNK // self.layout.samples)
        return (slice(at, min(at + step, count)) for at in range(0, count, step))

    def _offset(self, trace: int) -> int:
        return self.layout.start + trace * self.layout.stride
