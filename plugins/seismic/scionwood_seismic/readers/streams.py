"""miniSEED, SAC, SU and SEG-2: streams of traces as gathers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from scionwood import ReadError, Record
from scionwood.authoring import atomic_path, reading
from scionwood_seismic.readers.axis import check_interval
from scionwood_seismic.readers.base import (
    encode,
    refuse_interval,
    refuse_overrides,
)
from scionwood_seismic.readers.components import by_sensor, components, doubts
from scionwood_seismic.readers.flat import SAC_HEADER, Overrides, is_su, sac_order
from scionwood_seismic.readers.flat_source import FlatSource
from scionwood_seismic.readers.grouping import group
from scionwood_seismic.readers.layout import Endian
from scionwood_seismic.readers.miniseed import HEADER
from scionwood_seismic.readers.packed import MiniSeed
from scionwood_seismic.readers.partial import Partial
from scionwood_seismic.readers.recordings import WindowedReader
from scionwood_seismic.readers.sources import Format, Source, obspy
from scionwood_seismic.readers.windows import Window, cut

_SUFFIXES: dict[str, Format] = {
    ".mseed": "MSEED",
    ".miniseed": "MSEED",
    ".sac": "SAC",
    ".su": "SU",
    ".seg2": "SEG2",
    ".sg2": "SEG2",
}


def stream_format(path: Path) -> Format | None:
    """Return the stream format of the content of a file, or None.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(SAC_HEADER)
    if HEADER.match(head):
        return "MSEED"
    if head[:2] in (b"\x55\x3a", b"\x3a\x55"):
        return "SEG2"
    if sac_order(head):
        return "SAC"
    return "SU" if is_su(path) else None  # SU has no signature


@final
class StreamReader(WindowedReader[list[np.ndarray]]):
    """Read miniSEED, SAC, SU or SEG-2 as gathers, and write results back in the same format.

    Traces form a gather if they have the same length and sample interval and start together; a
    single channel is a gather of one trace. The segment after a gap is a gather of its own, since
    gaps are neither filled nor interpolated. The components of a sensor form a gather of their own,
    and `components` names them, such as Z, N and E: their order is no direction in space. A
    gather of more than 4 Mi values is read in windows along time, as in `DasReader`.

    For SU, SAC and SEG-2, results overwrite samples in a copy, so that every header keeps its
    bytes. miniSEED is packed again trace by trace, with the encoding, record length, byte order
    and quality of the trace. Flags of records and blockettes other than 1000 are lost, with a
    warning.

    Args:
        path: the file; its content identifies the format.
        block: the largest number of traces in a gather; longer gathers are read in parts.
        window: samples of a window; by default those of 4 Mi values, and at least 1,024.
        samples: for SU, samples per trace, if the headers give a wrong number.
        dt: the sample interval, s. For SU it overrules the headers; for the others it must agree.
        endian: for SU, the byte order.

    Shapes: the data of a record is (trace, time), float32.

    Units: time in s, from the recording delay if the format has one, and otherwise from the first
    sample of the gather. The file does not state the unit of the samples. `dt` is that of the first
    gather.

    Raises:
        ReadError: the file has none of the formats, is damaged, or has no numeric samples.

    Source: SEED Reference Manual, version 2.4, for miniSEED, which ObsPy reads; SEG-Y revision 1
    for SU; the SAC manual; Pullan, 1990, for SEG-2.
    """

    suffixes: ClassVar[tuple[str, ...]] = tuple(_SUFFIXES)
    _kind = "stream"
    _reads_ahead = False  # ObsPy changes the filters of warnings, which all threads share
    dims = ("trace", "time")
    units: Mapping[str, str] = {"trace": "1", "time": "s", "data": "unknown"}

    def __init__(
        self,
        path: str | Path,
        *,
        block: int = 2048,
        window: int | None = None,
        samples: int | None = None,
        dt: float | None = None,
        endian: Endian | None = None,
    ) -> None:
        self.path = Path(path)
        self.format = _known_format(self.path)
        if self.format != "SU":
            refuse_overrides(self.path, samples, endian)
        if dt is not None:
            check_interval(self.path, dt)
        overrides = Overrides(samples, dt, endian)
        with reading(self.path, self.format):  # a header may hold a year that no date has
            self._source = open_source(self.path, self.format, overrides)
        headers = by_sensor(self._source.headers)
        refuse_interval(self.path, headers[0].dt, dt)
        self._groups = group(headers, block)
        self._windows = [
            part
            for i, members in enumerate(self._groups)
            for part in cut(i, len(members), headers[members[0]].samples, window)
        ]
        self.traces, self.dt = len(headers), headers[0].dt
        self.components = components(headers, self._groups)
        self.warnings = doubts(headers)
        self.warn()

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a miniSEED file: three channels of 400 samples at 100 Hz, 32 bit floats."""
        t = np.arange(400) * 0.01
        arrivals = 1 + 0.1 * np.arange(3)[:, None]
        data = np.exp(-(((t - arrivals) / 0.05) ** 2)).astype(np.float32)
        header = {"sampling_rate": 100.0, "network": "XX", "station": "SAMPL"}
        traces = [
            obspy.Trace(row, {**header, "channel": f"HH{c}"})
            for row, c in zip(data, "ZNE", strict=True)
        ]
        obspy.Stream(traces).write(str(path), format="MSEED")

    def _stored(self, window: Window) -> list[np.ndarray]:
        return self._source.rows(self._groups[window.slab], window.first, window.last)

    def _data(self, window: Window, stored: list[np.ndarray]) -> np.ndarray:
        return np.stack(stored).astype(np.float32)

    def _bytes(self, stored: list[np.ndarray]) -> int:
        return sum(row.nbytes for row in stored)

    def _record(self, window: Window, data: np.ndarray) -> Record:
        members = self._groups[window.slab]
        first = self._source.headers[members[0]]
        key: dict[str, int | str] = {"group": window.slab}
        if window.last - window.first < first.samples:
            key["window"] = window.number
        if first.name:
            key["channel"] = first.name
        start = self._source.starts[members[0]]
        if start:
            key["start"] = str(obspy.UTCDateTime(start) + window.first * first.dt)
        delay = self._source.delays[members[0]]
        time = delay + first.dt * np.arange(window.first, window.last)
        return Record(key, data, {"trace": np.array(members), "time": time})

    def _count(self, number: int) -> int:
        return len(self._groups[number])

    def _size(self) -> int:
        return self._starts()[-1]

    def _starts(self) -> list[int]:
        """Return where each trace begins in the file of all samples, and its end."""
        pairs = enumerate(self._source.headers)
        sizes = [header.samples * self._source.dtype(i).itemsize for i, header in pairs]
        starts: list[int] = np.r_[0, np.cumsum(sizes)].tolist()
        return starts

    def _store(
        self,
        part: Partial,
        window: Window,
        stored: list[np.ndarray],
        new: np.ndarray,
        changed: np.ndarray,
    ) -> tuple[np.dtype | None, int]:
        starts, clipped, last = self._starts(), 0, None
        for i, old, row, mask in zip(self._groups[window.slab], stored, new, changed, strict=True):
            dtype = self._source.dtype(i)
            values = old[: len(row)].astype(dtype)
            if mask.any():
                values[mask], lost = encode(row[mask], dtype)
                clipped, last = clipped + lost, dtype
            part.write(values.data.cast("B"), starts[i] + window.first * dtype.itemsize)
        return last, clipped

    def _complete(self, values: Path, target: Path, overwrite: bool) -> None:
        starts = self._starts()

        def read(i: int, first: int, last: int) -> np.ndarray:
            dtype = self._source.dtype(i)
            at = starts[i] + first * dtype.itemsize
            return np.fromfile(values, dtype, last - first, offset=at)

        spans = [(self._groups[w.slab], w.first, w.kept) for w in self._windows]
        with atomic_path(target, overwrite=overwrite) as copy:
            shutil.copyfile(self.path, copy)
            self._source.write(copy, spans, read)


def open_source(path: Path, form: Format, overrides: Overrides) -> Source:
    """Open a file of a known format.

    Args:
        path: the file.
        form: its format.
        overrides: what overrules the headers of SU.

    Raises:
        ReadError: the file is damaged, or no trace has samples.
    """
    source: Source = MiniSeed(path) if form == "MSEED" else FlatSource(path, form, overrides)
    if not source.headers:
        rule = f"{form}, but no trace in it has numbers at a sampling rate"
        raise ReadError(str(path), rule, "Export it again with its data")
    return source


def _known_format(path: Path) -> Format:
    """Return the format of the content, or of the suffix if the content is damaged.

    Raises:
        ReadError: the file does not exist, or has none of the formats.
    """
    with reading(path, "stream"):
        form = stream_format(path) or _SUFFIXES.get(path.suffix.lower())
    if form is None:
        rule = "none of the stream formats miniSEED, SAC, SU, SEG-2"
        raise ReadError(str(path), rule, "Is it another format under this name?")
    return form
