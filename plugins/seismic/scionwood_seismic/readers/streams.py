"""miniSEED, SAC, SU and SEG-2: streams of traces as gathers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from scionwood import ReadError, Record, RecordFunction, atomic_path, check_target, reading, writing
from scionwood_seismic.readers.axis import check_interval
from scionwood_seismic.readers.base import (
    SeismicReader,
    changed_data,
    encode,
    refuse_interval,
    refuse_overrides,
    refuse_resume,
    warn_rounded,
)
from scionwood_seismic.readers.components import by_sensor, components, doubts
from scionwood_seismic.readers.flat import SAC_HEADER, Overrides, is_su, sac_order
from scionwood_seismic.readers.grouping import group
from scionwood_seismic.readers.layout import Endian
from scionwood_seismic.readers.miniseed import HEADER
from scionwood_seismic.readers.sources import Format, Put, obspy, open_source

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
class StreamReader(SeismicReader):
    """Read miniSEED, SAC, SU or SEG-2 as gathers, and write results back in the same format.

    Traces form a gather if they have the same length and sample interval and start together; a
    single channel is a gather of one trace. The segment after a gap is a gather of its own, since
    gaps are neither filled nor interpolated. The components of a sensor form a gather of their own,
    and `components` names them, such as Z, N and E: their order is no direction in space. SU and
    SAC are read one gather at a time, miniSEED and SEG-2 as a whole.

    For SU, SAC and SEG-2, results overwrite samples in a copy, so that every header keeps its
    bytes. miniSEED is packed again trace by trace, with the encoding, record length, byte order
    and quality of the trace. Flags of records and blockettes other than 1000 are lost, with a
    warning.

    Args:
        path: the file; its content identifies the format.
        block: the largest number of traces in a gather; longer gathers are read in parts.
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
    dims = ("trace", "time")
    units: Mapping[str, str] = {"trace": "1", "time": "s", "data": "unknown"}

    def __init__(
        self,
        path: str | Path,
        *,
        block: int = 2048,
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
        given = Overrides(samples, dt, endian)
        with reading(self.path, self.format):  # a header may hold a year that no date has
            self._source = open_source(self.path, self.format, given)
        headers = by_sensor(self._source.headers)
        refuse_interval(self.path, headers[0].dt, dt)
        self._groups = group(headers, block)
        self.traces, self.dt = len(headers), headers[0].dt
        self.components = components(headers, self._groups)
        self.warnings = doubts(headers)
        self.warn()

    def __len__(self) -> int:
        return len(self._groups)

    def read(self, index: int) -> Record:
        """Read the record of an index, from 0."""
        return self._record(index)

    def rewrite(
        self,
        target: str | Path,
        function: RecordFunction,
        *,
        overwrite: bool = False,
        resume: bool = False,
    ) -> None:
        """Write a copy of the file to `target`, with the samples that `function` changed.

        A file without changes keeps its bytes. Integers are rounded and clipped to their range,
        with a warning.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the file cannot be written, the shape changed, `resume` is true, or the
                samples of the format cannot be written (20 bit SEG-2, full SEED, and miniSEED
                encodings of the 1980s).
        """
        target = Path(target)
        refuse_resume(target, resume)
        check_target(target, overwrite)
        for i in range(self.traces):
            self._source.dtype(i)  # an error must appear before the long work
        size = f"It needs {self.path.stat().st_size:,} bytes"
        with writing(target, then=size), atomic_path(target, overwrite=overwrite) as part:
            shutil.copyfile(self.path, part)
            with self._source.writing(part) as put:
                clipped = [self._rewrite(i, function, put) for i in range(len(self))]
        if any(lost is not None for lost in clipped):
            warn_rounded(self.path, self._source.dtype(0), sum(lost or 0 for lost in clipped))

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

    def _record(self, i: int) -> Record:
        members = self._groups[i]
        data = np.stack([self._source.raw(j) for j in members]).astype(np.float32)
        first = self._source.headers[members[0]]
        key: dict[str, int | str] = {"group": i}
        if first.name:
            key["channel"] = first.name
        if self._source.starts[members[0]]:
            key["start"] = self._source.starts[members[0]]
        time = self._source.delays[members[0]] + first.dt * np.arange(first.samples)
        return Record(key, data, {"trace": np.array(members), "time": time})

    def _rewrite(self, i: int, function: RecordFunction, put: Put) -> int | None:
        """Rewrite a gather; return how many samples were clipped, None if none changed."""
        after, changed = changed_data(self.path, self._record(i), function)
        if not changed.any():
            return None
        clipped = 0
        for row in np.flatnonzero(changed.any(axis=1)):
            j = self._groups[i][row]
            dtype = self._source.dtype(j)
            values, lost = encode(after[row], dtype)
            put(j, np.where(changed[row], values, self._source.raw(j)).astype(dtype))
            clipped += lost
        return clipped


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
