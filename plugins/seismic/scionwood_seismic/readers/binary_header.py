"""The binary header and the extended text headers of a SEG-Y file.

Source: SEG Technical Standards Committee, SEG-Y revision 1, 2002, section 4, and SEG-Y revision 2,
2017, for the fields that extend it.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from scionwood import ReadError
from scionwood_seismic.readers.samples import FORMATS

TEXT, BINARY, TRACE_HEADER = 3200, 400, 240

Endian = Literal["big", "little"]

_CONSTANT = bytes([1, 2, 3, 4])  # bytes 3297-3300 of revision 2, in the byte order of the file
_END = re.compile(rb"\(\(\s*SEG\s*:\s*EndText\s*\)\)", re.IGNORECASE)
_MOST_STANZAS = 10_000  # records of an extended text header without a count


@dataclass(frozen=True)
class Head:
    """The fields of a binary header that decide where the traces lie; see `Layout`.

    Attributes:
        samples: samples per trace, 0 if the header does not give them.
        end: position behind the last trace, as the header gives it.
        count: number of traces that the header gives; 0: it gives none.
    """

    endian: Endian
    format: int
    samples: int
    interval: float
    start: int
    revision: int
    feet: bool
    size: int
    header: int
    end: int
    count: int


def read_head(path: Path, file: BinaryIO, endian: Endian | None = None) -> Head:
    """Read the binary header and the extended text headers.

    Raises:
        ReadError: they break a rule of the standard.
    """
    size = path.stat().st_size
    head = file.read(TEXT + BINARY)
    if len(head) < TEXT + BINARY:
        rule = f"SEG-Y begins with {TEXT + BINARY} bytes of headers, this has {size}"
        raise ReadError(str(path), rule, "Is it a SEG-Y file, copied whole?")
    order_name, code = _format(path, head, endian)
    order = ">" if order_name == "big" else "<"
    revision = _revision(head)
    interval, samples = _lengths(head, order, revision)
    start, header, count, trailers = TEXT + BINARY, TRACE_HEADER, 0, 0
    extended = struct.unpack_from(order + "h", head, 3504)[0]
    start += TEXT * (_stanzas(path, file) if extended == -1 else extended)
    if extended < -1:
        rule = f"the binary header gives {extended} extended text headers"
        raise ReadError(str(path), rule, "Correct bytes 3505-3506 of a copy")
    if revision >= 2:
        more, count, first = struct.unpack_from(order + "i2xQQ", head, 3506)
        trailers = max(0, struct.unpack_from(order + "i", head, 3528)[0])
        header += _extensions(path, more, size)
        start = first if TEXT + BINARY <= first < size else start
    feet = struct.unpack_from(order + "H", head, 3254)[0] == 2
    if size <= start:
        raise ReadError(str(path), "SEG-Y headers but no traces", "Export it again with its data")
    end = size - trailers * TEXT
    return Head(
        order_name, code, samples, interval, start, revision, feet, size, header, end, count
    )


def _format(path: Path, head: bytes, endian: Endian | None) -> tuple[Endian, int]:
    codes: dict[Endian, int] = {
        "big": struct.unpack_from(">H", head, 3224)[0],
        "little": struct.unpack_from("<H", head, 3224)[0],
    }
    constant = head[3296:3300]
    if constant in (_CONSTANT[1::-1] + _CONSTANT[:1:-1], _CONSTANT[2:] + _CONSTANT[:2]):
        rule = "SEG-Y with its bytes swapped in pairs (bytes 3297-3300)"
        raise ReadError(str(path), rule, "Swap them back, or export it as big or little endian")
    if endian is None and constant in (_CONSTANT, _CONSTANT[::-1]):
        endian = "big" if constant == _CONSTANT else "little"
    allowed: tuple[Endian, ...] = (endian,) if endian else ("big", "little")
    for name in allowed:
        if codes[name] in FORMATS:
            return name, codes[name]
    format_codes, code = ", ".join(map(str, FORMATS)), min(codes[name] for name in allowed)
    if not 0 < code < 17:
        where = f"in {endian} endian" if endian else "in either byte order"
        rule = f"not SEG-Y: bytes 3225-3226 hold {codes[allowed[0]]}, no sample format {where}"
        raise ReadError(str(path), rule, "Is it another format under this name?")
    rule = f"sample format {code} is not supported, only {format_codes}"
    raise ReadError(str(path), rule, "Convert the samples to IEEE float (format 5)")


def _revision(head: bytes) -> int:
    """Return the major revision, byte 3501; some programs store a 16 bit number instead."""
    major = head[3500] or head[3501]
    return major if major <= 2 else 0


def _lengths(head: bytes, order: str, revision: int) -> tuple[float, int]:
    """Return the interval and the samples per trace."""
    interval, samples = (struct.unpack_from(order + "H", head, at)[0] for at in (3216, 3220))
    if revision < 2:
        return float(interval), samples
    long_samples = struct.unpack_from(order + "i", head, 3268)[0]
    long_interval = struct.unpack_from(order + "d", head, 3272)[0]
    exact = long_interval if 0 < long_interval < 1e9 else float(interval)
    return exact, long_samples if long_samples > 0 else samples


def _stanzas(path: Path, file: BinaryIO) -> int:
    """Return the number of extended text headers, the last of which says that it is the last."""
    for count in range(1, _MOST_STANZAS):
        record = file.read(TEXT)
        if len(record) < TEXT:
            break
        # Text headers are ASCII or EBCDIC.
        if _END.match(record) or _END.match(record.decode("cp037").encode("latin-1", "replace")):
            return count
    rule = "the binary header leaves the number of extended text headers open (-1), and none ends "
    raise ReadError(str(path), rule + "with ((SEG: EndText))", "Correct bytes 3505-3506 of a copy")


def _extensions(path: Path, count: int, size: int) -> int:
    """Return the bytes of the extensions of a trace header.

    Raises:
        ReadError: they do not fit into the file.
    """
    if count < 0 or count * TRACE_HEADER > size:
        rule = f"{count} extensions of each trace header (bytes 3507-3510) do not fit into the file"
        raise ReadError(str(path), rule, "Correct these bytes of a copy; most files have none")
    return count * TRACE_HEADER
