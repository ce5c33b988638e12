"""SEG-Y: gathers read one at a time, and written back into a copy that keeps every header byte."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal, final

import numpy as np
import segyio

from scionwood import (
    OutputExistsError,
    Reader,
    ReadError,
    Record,
    ScionwoodError,
    WriteError,
    atomic_path,
)
from scionwood_seismic.readers.create import write_segy
from scionwood_seismic.readers.layout import FORMATS, read_layout

KEYS = {"fldr": 9, "cdp": 21, "offset": 37}
"""Header key of a gather -> its byte in the trace header."""

Gather = Literal["fldr", "cdp", "offset"]


@final
class SegyReader(Reader):
    """Read a SEG-Y file gather by gather, and write results into a copy of it.

    IBM and IEEE floats, doubles and 8, 16 and 32 bit integers are read, in either byte order.
    Traces must have one length. At most one gather is in memory.

    Args:
        path: the file.
        gather: the trace header that says which traces belong together, wherever in the file they
            are: `fldr` (shot), `cdp`, `offset`; or None for consecutive blocks of traces.
        block: the most traces of one gather; longer ones are read in parts of this size, so that
            memory is bounded.

    Shapes: a record's data is (trace, time), float32.

    Units: time in s, from the recording delay of the gather's first trace; the samples' unit is
    not in the file.

    Raises:
        ReadError: the file is truncated, empty, no SEG-Y, or of an unsupported sample format.

    Source: SEG-Y revision 1, SEG, 2002; samples and headers are read by segyio.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".sgy", ".segy")
    dims = ("trace", "time")
    units: Mapping[str, str] = {"trace": "1", "time": "s", "data": "unknown"}

    def __init__(self, path: Path, *, gather: Gather | None = None, block: int = 2048) -> None:
        self.path, self.gather = Path(path), gather
        self.layout = read_layout(self.path)
        self._file = segyio.open(
            self.path, ignore_geometry=True, strict=False, endian=self.layout.endian
        )
        self._check_lengths()
        self.dt = self._interval()
        self._groups = list(self._grouped(block))

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Record]:
        for name, traces in self._groups:
            yield self._record(name, traces, self._read(traces).astype(np.float32))

    def rewrite(
        self, target: Path, function: Callable[[Record], np.ndarray], *, overwrite: bool = False
    ) -> None:
        """Copy the file to `target` and overwrite the samples that `function` changed.

        Every header byte survives, and so does every trace that comes back as it was. Integer
        samples are rounded and clipped to their range, with a warning.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the disk is full or not writable, or the shape changed.
        """
        target = Path(target)
        if target.exists() and not overwrite:
            raise OutputExistsError(str(target), "it exists already", "Give --force to replace it")
        try:
            with atomic_path(target, overwrite=overwrite) as part:
                shutil.copyfile(self.path, part)
                self._overwrite(part, function)
        except ScionwoodError:
            raise
        except OSError as error:
            reason = error.strerror or str(error)
            remedy = f"It needs {self.path.stat().st_size:,} bytes in a folder that you may write"
            raise WriteError(str(target), f"cannot be written ({reason})", remedy) from error

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two shots of 12 traces, 64 samples at 4 ms."""
        t = np.arange(64) * 0.004
        arrivals = 0.05 + 0.008 * np.arange(12)[:, None] + 0.02 * np.arange(2)[:, None, None]
        write_segy(path, np.exp(-(((t - arrivals) / 0.008) ** 2)), dt=0.004)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _overwrite(self, part: Path, function: Callable[[Record], np.ndarray]) -> None:
        clipped = 0
        with segyio.open(
            part, "r+", ignore_geometry=True, strict=False, endian=self.layout.endian
        ) as out:
            for name, traces in self._groups:
                raw = self._read(traces)
                before = raw.astype(np.float32)
                after = np.asarray(function(self._record(name, traces, before.copy())))
                if after.shape != before.shape:
                    rule = f"gather {name} came back as {after.shape}, it was {before.shape}"
                    raise WriteError(str(self.path), rule, "A function must keep the shape")
                changed = ~((after == before) | (np.isnan(after) & np.isnan(before))).all(axis=1)
                encoded, lost = _encode(after, raw.dtype)
                clipped += lost
                for i in np.flatnonzero(changed):
                    out.trace[int(traces[i])] = encoded[i]
        if np.issubdtype(self._file.dtype, np.integer):
            kind = f"{FORMATS[self.layout.format] * 8} bit integers"
            text = f"{self.path.name} stores {kind}: samples were rounded, {clipped} clipped"
            warnings.warn(text, stacklevel=3)

    def _record(self, name: int, traces: np.ndarray, data: np.ndarray) -> Record:
        delay = self._file.header[int(traces[0])][segyio.TraceField.DelayRecordingTime] / 1e3
        time = delay + self.dt * np.arange(self.layout.samples)
        key = {self.gather or "block": name}
        return Record(key, data, {"trace": traces, "time": time})

    def _read(self, traces: np.ndarray) -> np.ndarray:
        first, last = int(traces[0]), int(traces[-1])
        if last - first + 1 == len(traces):
            return self._file.trace.raw[first : last + 1]
        return np.stack([self._file.trace.raw[int(i)] for i in traces])

    def _grouped(self, block: int) -> Iterator[tuple[int, np.ndarray]]:
        """The name and the trace indices of each gather, in the order of their first traces."""
        if self.gather is None:
            for name, start in enumerate(range(0, self.layout.traces, block)):
                yield name, np.arange(start, min(start + block, self.layout.traces))
            return
        values = self._file.attributes(KEYS[self.gather])[:]
        names, first, inverse = np.unique(values, return_index=True, return_inverse=True)
        members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])
        for i in np.argsort(first):
            for start in range(0, len(members[i]), block):
                yield int(names[i]), members[i][start : start + block]

    def _interval(self) -> float:
        field = segyio.TraceField.TRACE_SAMPLE_INTERVAL
        interval = self.layout.interval or self._file.header[0][field]
        if interval <= 0:
            self.close()
            rule = "neither header gives a sample interval (bytes 3217-3218, 117-118)"
            raise ReadError(str(self.path), rule, "Set it, in microseconds")
        return interval / 1e6

    def _check_lengths(self) -> None:
        field = segyio.TraceField.TRACE_SAMPLE_COUNT
        counts = set(np.unique(self._file.attributes(field)[:]) & 0xFFFF)
        if counts - {0, self.layout.samples}:
            self.close()
            rule = f"trace headers give {sorted(map(int, counts))} samples, the file header "
            rule += f"{self.layout.samples}"
            raise ReadError(str(self.path), rule, "All traces must have one length; resample them")


def _encode(data: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """The samples in the file's type, and how many finite ones were outside its range."""
    if not np.issubdtype(dtype, np.integer):
        return data.astype(dtype), 0
    info = np.iinfo(dtype)
    rounded = np.rint(data.astype(np.float64))
    clipped = np.clip(rounded, info.min, info.max)
    return clipped.astype(dtype), int((clipped != rounded).sum())
