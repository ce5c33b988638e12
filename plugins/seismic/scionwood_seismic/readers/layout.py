"""The headers of a SEG-Y file, checked against the size of the file before they are used.

Source: SEG Technical Standards Committee, SEG-Y revision 1, 2002, sections 4 and 5, and SEG-Y
revision 2, 2017, for the fields that extend it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scionwood import ReadError, reading
from scionwood_seismic.readers.samples import FORMATS

TEXT, BINARY, TRACE_HEADER = 3200, 400, 240

Endian = Literal["big", "little"]


@dataclass(frozen=True)
class Layout:
    """The layout of a SEG-Y file whose traces all have the same length.

    Attributes:
        endian: the byte order of headers and samples.
        format: the sample format code, a key of `FORMATS`.
        samples: samples per trace.
        traces: number of traces in the file.
        interval: the sample interval of the binary header, microseconds or thousandths of a length;
            0 if the header does not give it.
        start: position of the first trace header, bytes.
        revision: the major revision of the standard that the file names.
        feet: whether lengths are in feet.
        size: size of the file, bytes.
    """

    endian: Endian
    format: int
    samples: int
    traces: int
    interval: float
    start: int
    revision: int = 0
    feet: bool = False
    size: int = 0

    @property
    def stride(self) -> int:
        """The distance from one trace header to the next, bytes."""
        return TRACE_HEADER + self.samples * FORMATS[self.format].size

    @property
    def order(self) -> Literal["<", ">"]:
        """The byte order in the notation of numpy and struct."""
        return ">" if self.endian == "big" else "<"


def read_layout(path: Path) -> Layout:
    """Read and check the headers of a file.

    Raises:
        ReadError: the file cannot be read, or its headers break a rule of the standard.
    """
    with reading(path, "SEG-Y"), path.open("rb") as file:
        size = path.stat().st_size
        head = file.read(TEXT + BINARY)
    if len(head) < TEXT + BINARY:
        rule = f"SEG-Y begins with {TEXT + BINARY} bytes of headers, this has {size}"
        raise ReadError(str(path), rule, "Is it a SEG-Y file, copied whole?")
    endian, code = _format(path, head)
    order = ">" if endian == "big" else "<"
    revision = _revision(head)
    interval, samples, trailers = _lengths(head, order, revision)
    extended = struct.unpack_from(order + "h", head, 3504)[0]
    if samples <= 0 or extended < 0:
        rule = f"the binary header gives {samples} samples a trace and {extended} extended headers"
        raise ReadError(str(path), rule, "Rewrite the file with traces of one fixed length")
    if revision >= 2 and struct.unpack_from(order + "i", head, 3506)[0] > 0:
        rule = "the SEG-Y file has more than one header per trace (bytes 3507-3510)"
        raise ReadError(str(path), rule, "Export it with 240-byte trace headers")
    start = TEXT + BINARY + extended * TEXT
    stride = TRACE_HEADER + samples * FORMATS[code].size
    traces = _traces(path, size - trailers * TEXT, start, stride)
    feet = struct.unpack_from(order + "H", head, 3254)[0] == 2
    return Layout(endian, code, samples, traces, interval, start, revision, feet, size)


def _format(path: Path, head: bytes) -> tuple[Endian, int]:
    big, little = (struct.unpack_from(order + "H", head, 3224)[0] for order in "><")
    if big in FORMATS:
        return "big", big
    if little in FORMATS:
        return "little", little
    known = ", ".join(map(str, FORMATS))
    if not 0 < min(big, little) < 17:
        rule = f"not SEG-Y: bytes 3225-3226 hold {big}, no sample format in either byte order"
        raise ReadError(str(path), rule, "Is it another format under this name?")
    rule = f"sample format {min(big, little)} is not supported, only {known}"
    raise ReadError(str(path), rule, "Convert the samples to IEEE float (format 5)")


def _revision(head: bytes) -> int:
    """Return the major revision, byte 3501; some programs store a 16 bit number instead."""
    major = head[3500] or head[3501]
    return major if major <= 2 else 0


def _lengths(head: bytes, order: str, revision: int) -> tuple[float, int, int]:
    """Return interval, samples per trace, and the number of text records after the last trace."""
    interval, samples = (struct.unpack_from(order + "H", head, at)[0] for at in (3216, 3220))
    if revision < 2:
        return float(interval), samples, 0
    long_samples = struct.unpack_from(order + "i", head, 3268)[0]
    long_interval = struct.unpack_from(order + "d", head, 3272)[0]
    trailers = struct.unpack_from(order + "i", head, 3528)[0]
    exact = long_interval if 0 < long_interval < 1e9 else float(interval)
    return exact, long_samples if long_samples > 0 else samples, max(0, trailers)


def _traces(path: Path, size: int, start: int, trace: int) -> int:
    count, rest = divmod(size - start, trace)
    if size - start <= 0:
        raise ReadError(str(path), "SEG-Y headers but no traces", "Export it again with its data")
    if rest:
        rule = f"the SEG-Y file ends {rest} bytes into trace {count + 1} (a trace has {trace})"
        raise ReadError(str(path), rule, "Cut short, or traces of several lengths: copy it again")
    return count
