"""What a SEG-Y file claims about itself, checked against its size before anything trusts it.

Source: SEG Technical Standards Committee, SEG-Y revision 1, 2002, sections 4 and 5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scionwood import ReadError

TEXT, BINARY, TRACE_HEADER = 3200, 400, 240
FORMATS = {1: 4, 2: 4, 3: 2, 5: 4, 6: 8, 8: 1}
"""Sample format code -> bytes a sample: IBM float, int32, int16, IEEE float, IEEE double, int8."""


@dataclass(frozen=True)
class Layout:
    """The layout of a SEG-Y file whose traces all have one length.

    Attributes:
        endian: the byte order of headers and samples.
        format: the sample format code, a key of `FORMATS`.
        samples: samples a trace.
        traces: how many traces the file holds.
        interval: the sample interval of the binary header, microseconds; 0 where it is not given.
        start: where the first trace header begins, bytes.
    """

    endian: Literal["big", "little"]
    format: int
    samples: int
    traces: int
    interval: int
    start: int


def read_layout(path: Path) -> Layout:
    """Read and check the headers of a file.

    Raises:
        ReadError: naming the file, the rule that it breaks, and the remedy.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(TEXT + BINARY)
    except OSError as error:
        rule = f"no SEG-Y file can be read there ({error.strerror})"
        raise ReadError(str(path), rule, "Check the path") from error
    if len(head) < TEXT + BINARY:
        rule = f"SEG-Y begins with {TEXT + BINARY} bytes of headers, this has {size}"
        raise ReadError(str(path), rule, "Is it a SEG-Y file, copied whole?")
    endian, code = _format(path, head)
    order = ">" if endian == "big" else "<"
    interval, samples = (struct.unpack_from(order + "H", head, at)[0] for at in (3216, 3220))
    extended = struct.unpack_from(order + "h", head, 3504)[0]
    if samples == 0 or extended < 0:
        rule = f"the binary header gives {samples} samples a trace and {extended} extended headers"
        raise ReadError(str(path), rule, "Both must be known; rewrite the file with fixed lengths")
    start = TEXT + BINARY + extended * TEXT
    traces = _traces(path, size, start, TRACE_HEADER + samples * FORMATS[code])
    return Layout(endian, code, samples, traces, interval, start)


def _format(path: Path, head: bytes) -> tuple[Literal["big", "little"], int]:
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


def _traces(path: Path, size: int, start: int, trace: int) -> int:
    count, rest = divmod(size - start, trace)
    if size - start <= 0:
        raise ReadError(str(path), "SEG-Y headers but no traces", "Export it again with its data")
    if rest:
        rule = f"the SEG-Y file ends {rest} bytes into trace {count + 1} (a trace has {trace})"
        raise ReadError(str(path), rule, "Cut short, or traces of several lengths: copy it again")
    return count
