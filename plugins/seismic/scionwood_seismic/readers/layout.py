"""The headers of a SEG-Y file, checked against the size of the file before they are used.

Source: SEG Technical Standards Committee, SEG-Y revision 1, 2002, sections 4 and 5, and SEG-Y
revision 2, 2017, for the fields that extend it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from scionwood import ReadError
from scionwood.authoring import reading
from scionwood_seismic.readers.binary_header import (
    BINARY,
    TEXT,
    TRACE_HEADER,
    Endian,
    Head,
    read_head,
)
from scionwood_seismic.readers.samples import FORMATS

__all__ = ["BINARY", "TEXT", "TRACE_HEADER", "Endian", "Layout", "read_layout"]


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
        header: bytes before the samples of a trace: 240, and 240 more for each extension.
        end: position behind the last trace, where text may follow; 0: the end of the file.
        warnings: what was believed where the headers contradict each other.
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
    header: int = TRACE_HEADER
    end: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def stride(self) -> int:
        """The distance from one trace header to the next, bytes."""
        return self.header + self.samples * FORMATS[self.format].size

    @property
    def order(self) -> Literal["<", ">"]:
        """The byte order in the notation of numpy and struct."""
        return ">" if self.endian == "big" else "<"


def layout_of(head: Head, samples: int, traces: int, *warnings: str) -> Layout:
    """Return the layout of traces with a number of samples."""
    end = head.start + traces * (head.header + samples * FORMATS[head.format].size)
    if head.count not in (0, traces):
        text = f"the binary header counts {head.count} traces, the file holds {traces}, which "
        warnings = (*warnings, text + "was believed")
    return Layout(
        head.endian,
        head.format,
        samples,
        traces,
        head.interval,
        head.start,
        head.revision,
        head.feet,
        head.size,
        head.header,
        end,
        warnings,
    )


def read_layout(path: Path, *, samples: int | None = None, endian: Endian | None = None) -> Layout:
    """Read and check the headers of a file.

    Where the number of samples of the binary header does not fit the size of the file, and that of
    the trace headers does, the trace headers are believed.

    Args:
        path: the file.
        samples: samples per trace, in place of what the headers give.
        endian: the byte order, in place of what the headers give.

    Raises:
        ReadError: the file cannot be read, or its headers break a rule of the standard.
    """
    with reading(path, "SEG-Y"), path.open("rb") as file:
        head = read_head(path, file, endian)
        if samples is not None:
            return layout_of(head, samples, _traces(path, head, samples, "samples= (--samples)"))
        if head.samples > 0 and _fits(head, head.samples):
            return layout_of(head, head.samples, _count(head, head.samples))
        return _by_trace_headers(path, file, head)


def walk(file: BinaryIO, head: Head) -> dict[int, int] | None:
    """Follow the trace headers from trace to trace.

    Returns:
        Number of samples -> number of traces; None if the traces do not end with the file.
    """
    lengths: dict[int, int] = {}
    for count in _steps(file, head):
        if count <= 0:
            return None
        lengths[count] = lengths.get(count, 0) + 1
    return lengths


def _steps(file: BinaryIO, head: Head) -> Iterator[int]:
    """Yield the number of samples of each trace; -1 if the last trace does not end the file."""
    order, at = (">" if head.endian == "big" else "<"), head.start
    while at < head.end:
        file.seek(at)
        raw = file.read(TRACE_HEADER)
        if len(raw) < TRACE_HEADER:
            break
        (samples,) = struct.unpack_from(order + "H", raw, 114)
        yield samples
        at += head.header + samples * FORMATS[head.format].size
    if at != head.end:
        yield -1


def _by_trace_headers(path: Path, file: BinaryIO, head: Head) -> Layout:
    """Return the layout that the trace headers give, where the binary header fits no file."""
    lengths = walk(file, head)
    if not lengths:
        _traces(path, head, head.samples, "the binary header")
    assert lengths is not None
    samples = one_length(path, lengths)
    text = f"the binary header gives {head.samples} samples a trace, which does not fit the size "
    text += f"of the file; the trace headers give {samples}, which fits and was believed"
    return layout_of(head, samples, lengths[samples], text)


def one_length(path: Path, lengths: dict[int, int]) -> int:
    """Return the only length of the traces.

    Raises:
        ReadError: the traces have several lengths.
    """
    if len(lengths) > 1:
        rule = f"its traces have {len(lengths)} lengths, {min(lengths)} to {max(lengths)} samples"
        raise ReadError(str(path), rule, "Pad or cut them to one length with another program")
    return next(iter(lengths))


def _fits(head: Head, samples: int) -> bool:
    stride = head.header + samples * FORMATS[head.format].size
    room = head.end - head.start
    return head.count * stride <= room if _has_trace_count(head, stride) else room % stride == 0


def _count(head: Head, samples: int) -> int:
    stride = head.header + samples * FORMATS[head.format].size
    return head.count if _has_trace_count(head, stride) else (head.end - head.start) // stride


def _has_trace_count(head: Head, stride: int) -> bool:
    """Return whether the header counts the traces, and the file ends with them or with text."""
    tail = head.size - head.start - head.count * stride
    return head.count > 0 and tail >= 0 and tail % TEXT == 0


def _traces(path: Path, head: Head, samples: int, who: str) -> int:
    """Return the number of traces with a number of samples.

    Raises:
        ReadError: they do not end with the file.
    """
    if samples <= 0:
        rule = f"{who} gives {samples} samples a trace"
        raise ReadError(str(path), rule, "Give the number: --samples N, or samples=N")
    stride = head.header + samples * FORMATS[head.format].size
    if _fits(head, samples):
        return _count(head, samples)
    count, remainder = divmod(head.end - head.start, stride)
    rule = f"the SEG-Y file ends {remainder} bytes into trace {count + 1} ({who} gives {samples} "
    rule += f"samples, a trace has {stride} bytes)"
    remedy = "Cut short: copy it again. Or give the true number: --samples N"
    raise ReadError(str(path), rule, remedy)
