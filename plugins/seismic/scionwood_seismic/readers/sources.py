"""A common interface to the traces of stream files: their headers, samples, and storage."""

from __future__ import annotations

import io
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from scionwood import ReadError, WriteError
from scionwood_seismic.readers.flat import (
    AS_STATED,
    Overrides,
    Samples,
    sac_samples,
    seg2_samples,
    su_samples,
)
from scionwood_seismic.readers.grouping import Header
from scionwood_seismic.readers.miniseed import walk

with warnings.catch_warnings():  # ObsPy lists its plugins through an interface that is deprecated
    warnings.filterwarnings("ignore", "SelectableGroups", DeprecationWarning)
    import obspy

__all__ = ["Format", "Put", "Source", "obspy", "open_source"]

Format = Literal["MSEED", "SAC", "SU", "SEG2"]
Put = Callable[[int, np.ndarray], None]

_DAMAGE = ("Last record", "Not a SEED record", "Unexpected end of file")
_HARMLESS = ("Sample spacing read from SAC", "Many companies use custom", "Non-zero value found")
"""Warnings of ObsPy about valid files. SEG-2 delays, for example, are read by this module."""

_ENCODINGS: dict[str, np.dtype] = {
    "INT16": np.dtype("i2"),
    "INT32": np.dtype("i4"),
    "FLOAT32": np.dtype("f4"),
    "FLOAT64": np.dtype("f8"),
    "STEIM1": np.dtype("i4"),
    "STEIM2": np.dtype("i4"),
}
"""Encoding that ObsPy writes -> the type of the samples that it packs."""


class Source(ABC):
    """The traces of one file, in the order of the file.

    Attributes:
        headers: the header of each trace, for grouping.
        starts: the absolute time of each first sample, ISO 8601; empty if it is not known.
        delays: the time of each first sample after the shot, s.
    """

    headers: list[Header]
    starts: list[str]
    delays: list[float]

    @abstractmethod
    def raw(self, i: int) -> np.ndarray:
        """Return the samples of a trace, (time,), as stored."""

    @abstractmethod
    def dtype(self, i: int) -> np.dtype:
        """Return the type in which the file stores the samples of a trace.

        Raises:
            WriteError: that type cannot be written.
        """

    @abstractmethod
    def writing(self, part: Path) -> Any:
        """Return a context manager that yields a `Put`, which stores samples in `part`, a copy."""


def open_source(path: Path, form: Format, given: Overrides = AS_STATED) -> Source:
    """Open a file of a known format.

    Args:
        path: the file.
        form: its format.
        given: what overrules the headers of SU.

    Raises:
        ReadError: the file is damaged, or no trace has samples.
    """
    source: Source = _MiniSeed(path) if form == "MSEED" else _Flat(path, form, given)
    if not source.headers:
        rule = f"{form}, but no trace in it has numbers at a sampling rate"
        raise ReadError(str(path), rule, "Export it again with its data")
    return source


@final
class _Flat(Source):
    """SU, SAC and SEG-2, whose samples are stored as NumPy arrays."""

    def __init__(self, path: Path, form: Format, given: Overrides) -> None:
        self.path, self.form = path, form
        if form == "SU":
            self._samples = su_samples(path, given)
        else:
            self._samples = sac_samples(path) if form == "SAC" else seg2_samples(path)
        self.delays = [s.delay for s in self._samples]
        if form == "SU":
            self.headers = [Header("", s.count, s.dt, s.delay) for s in self._samples]
            self.starts = [""] * len(self._samples)
            return
        stream = _read(path, form)
        self.headers = [_header(trace, stream[0]) for trace in stream]
        self.starts = [str(trace.stats.starttime) for trace in stream]
        if form == "SEG2":
            self.delays = [float(trace.stats.seg2.get("DELAY", 0)) for trace in stream]
        # The stream is kept only for packed samples, which NumPy cannot read from the file.
        self._stream = stream if any(s.dtype is None for s in self._samples) else None

    def raw(self, i: int) -> np.ndarray:
        samples: Samples = self._samples[i]
        if samples.dtype is None:
            assert self._stream is not None
            return np.asarray(self._stream[i].data)
        return np.fromfile(self.path, samples.dtype, samples.count, offset=samples.offset)

    def dtype(self, i: int) -> np.dtype:
        dtype = self._samples[i].dtype
        if dtype is None:
            rule = "20 bit floats of SEG-2 (data format code 3) cannot be written"
            raise WriteError(str(self.path), rule, "Convert the file to SEG-Y first")
        return dtype

    @contextmanager
    def writing(self, part: Path) -> Iterator[Put]:
        with part.open("r+b") as file:

            def put(i: int, values: np.ndarray) -> None:
                file.seek(self._samples[i].offset)
                file.write(values.tobytes())

            yield put


@final
class _MiniSeed(Source):
    """miniSEED, which ObsPy unpacks, and packs again if samples changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self._full = file.read(7)[6:] not in (b"D", b"R", b"Q", b"M")
        self._extras = walk(path)
        stream = _read(path, "MSEED")
        usable = [t for t in stream if t.stats.npts and t.stats.sampling_rate > 0]
        self._stream = [t for t in usable if t.data.dtype.kind in "if"]
        if len(self._stream) < len(stream):
            left = len(stream) - len(self._stream)
            text = f"{path.name}: {left} traces without numbers (logs, empty) are skipped"
            warnings.warn(text, stacklevel=5)
        self.headers = [_header(trace, self._stream[0]) for trace in self._stream]
        self.starts = [str(trace.stats.starttime) for trace in self._stream]
        self.delays = [0.0] * len(self._stream)

    def raw(self, i: int) -> np.ndarray:
        return np.asarray(self._stream[i].data)

    def dtype(self, i: int) -> np.dtype:
        encoding: str = self._stream[i].stats.mseed.encoding
        if self._full:
            rule = "full SEED: its control headers would be lost"
            raise WriteError(str(self.path), rule, "Extract its data records as miniSEED")
        if encoding not in _ENCODINGS:
            rule = f"miniSEED encoding {encoding} cannot be written, only {', '.join(_ENCODINGS)}"
            raise WriteError(str(self.path), rule, "Convert the file to one of them first")
        return _ENCODINGS[encoding]

    @contextmanager
    def writing(self, part: Path) -> Iterator[Put]:
        changed: dict[int, np.ndarray] = {}
        yield changed.__setitem__
        if not changed:
            return
        if str(self._extras):
            text = f"{self.path.name}: {self._extras} of its records are not kept"
            warnings.warn(text, stacklevel=4)
        with part.open("wb") as file:
            for i in range(len(self._stream)):
                values = changed.get(i)
                file.write(self._pack(i, self.raw(i) if values is None else values))

    def _pack(self, i: int, values: np.ndarray) -> bytes:
        trace = obspy.Trace(values.astype(self.dtype(i)), self._stream[i].stats)
        packed = io.BytesIO()
        try:
            trace.write(packed, format="MSEED")
        except Exception as error:  # classes of ObsPy, made from messages of libmseed
            first = str(error).strip().splitlines()[0]
            rule = f"{trace.id} cannot be packed as {trace.stats.mseed.encoding} ({first})"
            raise WriteError(str(self.path), rule, "Convert the file to FLOAT32") from error
        return packed.getvalue()


def _header(trace: Any, first: Any) -> Header:
    stats = trace.stats
    name = "" if stats._format == "SEG2" else trace.id  # SEG-2 has no channel names
    start = float(stats.starttime - first.stats.starttime)
    return Header(name, int(stats.npts), float(stats.delta), start)


def _read(path: Path, form: Format) -> Any:
    """Read a file with ObsPy; damage that ObsPy reports as a warning is an error here.

    Raises:
        ReadError: the file is damaged.
    """
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        try:
            stream = obspy.read(str(path), format=form, headonly=form == "SAC")
        except Exception as error:  # on damaged files ObsPy raises any class, also Exception
            raise _damaged(path, form, error.__cause__ or error) from error
    for text in dict.fromkeys(str(remark.message) for remark in remarks):
        if any(mark in text for mark in _DAMAGE):
            raise _damaged(path, form, text)
        if not text.startswith(_HARMLESS):
            warnings.warn(f"{path.name}: {text}", stacklevel=6)
    return stream


def _damaged(path: Path, form: Format, reason: object) -> ReadError:
    name = {"MSEED": "miniSEED (.mseed)", "SEG2": "SEG-2 (.seg2)"}.get(form, form)
    first = next(iter(str(reason).strip().splitlines()), type(reason).__name__)
    return ReadError(str(path), f"damaged {name}: {first}", "Copy it again")
