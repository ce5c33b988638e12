"""miniSEED, SAC, SU and SEG-2: streams of traces as gathers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from scionwood import ReadError, Record, ScionwoodError, WriteError, atomic_path
from scionwood_seismic.readers.base import (
    SeismicReader,
    changed_data,
    check_target,
    encode,
    warn_rounded,
)
from scionwood_seismic.readers.flat import SAC_HEADER, sac_order, su_samples
from scionwood_seismic.readers.grouping import group
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
    """The stream format that a file's content has, or None.

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
    try:
        return "SU" if su_samples(path) else None
    except ReadError:  # SU has no mark of its own: a file is SU where its traces fit
        return None


@final
class StreamReader(SeismicReader):
    """Read miniSEED, SAC, SU or SEG-2 as gathers, and write results back in the same format.

    Traces of one length and sampling interval that start together are one gather; one channel is
    a gather of one trace. What follows a gap is a gather of its own: nothing is filled,
    interpolated or merged. SU and SAC are read a gather at a time, miniSEED and SEG-2 whole.

    SU, SAC and SEG-2 are written by overwriting samples in a copy, so that every header keeps its
    bytes. miniSEED is packed anew, trace by trace, with the trace's encoding, record length, byte
    order and quality; flags of records and blockettes other than 1000 are lost, with a warning.

    Args:
        path: the file; its content says which format it is.
        block: the most traces of one gather; longer ones are read in parts of this size.

    Shapes: a record's data is (trace, time), float32.

    Units: time in s, from the recording delay where the format has one and else from the gather's
    first sample; the samples' unit is not in the file. `dt` is that of the first gather.

    Raises:
        ReadError: none of the formats, damaged, or its samples are no numbers.

    Source: SEED Reference Manual, version 2.4, for miniSEED, which ObsPy reads; SEG-Y revision 1
    for SU; the SAC manual; Pullan, 1990, for SEG-2.
    """

    suffixes: ClassVar[tuple[str, ...]] = tuple(_SUFFIXES)
    dims = ("trace", "time")
    units: Mapping[str, str] = {"trace": "1", "time": "s", "data": "unknown"}

    def __init__(self, path: Path, *, block: int = 2048) -> None:
        self.path = Path(path)
        self.format = _known_format(self.path)
        self._source = open_source(self.path, self.format)
        headers = self._source.headers
        self._groups = group(headers, block)
        self.traces, self.dt = len(headers), headers[0].dt

    def __len__(self) -> int:
        return len(self._groups)

    def read(self, index: int) -> Record:
        """The record of that index, from 0."""
        return self._record(index)

    def rewrite(
        self,
        target: Path,
        function: Callable[[Record], np.ndarray],
        *,
        overwrite: bool = False,
        resume: bool = False,
    ) -> None:
        """Write a copy of the file to `target`, with the samples that `function` changed.

        A file in which nothing changed keeps its bytes. Integers are rounded and clipped to their
        range, with a warning.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the disk is full or not writable, the shape changed, `resume` was asked
                for, or the format's samples cannot be written (20 bit SEG-2, full SEED, and
                miniSEED encodings of the 1980s).
        """
        target = Path(target)
        check_target(target, overwrite=overwrite, resume=resume)
        for i in range(self.traces):
            self._source.dtype(i)  # before the work, not after it
        try:
            with atomic_path(target, overwrite=overwrite) as part:
                shutil.copyfile(self.path, part)
                with self._source.writing(part) as put:
                    clipped = [self._rewrite(i, function, put) for i in range(len(self))]
        except ScionwoodError:
            raise
        except OSError as error:
            reason = error.strerror or str(error)
            remedy = f"It needs {self.path.stat().st_size:,} bytes in a folder that you may write"
            raise WriteError(str(target), f"cannot be written ({reason})", remedy) from error
        if any(lost is not None for lost in clipped):
            warn_rounded(self.path, self._source.dtype(0), sum(lost or 0 for lost in clipped))

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write three channels of 400 samples at 100 Hz as miniSEED, 32 bit floats."""
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

    def _rewrite(self, i: int, function: Callable[[Record], np.ndarray], put: Put) -> int | None:
        """How many samples were clipped, or None where nothing changed."""
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
    """The format of the content; of damaged content that of the suffix, whose reader says why.

    Raises:
        ReadError: there is no such file, or it has none of the formats.
    """
    try:
        found = stream_format(path) or _SUFFIXES.get(path.suffix.lower())
    except OSError as error:
        rule = f"no stream file can be read there ({error.strerror})"
        raise ReadError(str(path), rule, "Check the path") from error
    if found is None:
        rule = "none of the stream formats miniSEED, SAC, SU, SEG-2"
        raise ReadError(str(path), rule, "Is it another format under this name?")
    return found
