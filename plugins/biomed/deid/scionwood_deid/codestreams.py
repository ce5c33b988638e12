"""What the frames of JPEG, JPEG-LS, JPEG 2000 and RLE hold beside their image."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from scionwood_deid.colour_profiles import profile_spans
from scionwood_deid.fragments import Span

_JPEG = frozenset({*range(0xC0, 0xD0), *range(0xD8, 0xE0), 0xF7, 0xF8})
"""Segments of JPEG and JPEG-LS that the image needs."""
_NEXT = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
"""A marker in coded data: after 0xFF these codings write a byte below 0x80, or a restart."""
_SOS, _EOI = 0xDA, 0xD9

_JPEG_2000 = frozenset({
    0x50, 0x51, 0x52, 0x53, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x61, 0x63,
})  # fmt: skip
"""Segments of JPEG 2000 that the image needs; a comment (0x64) is none of them."""
_SOT, _SOD, _EOC = 0x90, 0x93, 0xD9
_BOXES = (b"jP  ", b"ftyp", b"jp2c", b"ihdr", b"bpcc", b"pclr", b"cmap", b"cdef", b"res ")


def frame_spans(frame: bytes, *, rle: tuple[int, int] | None = None) -> list[Span]:
    """Return what a frame holds beside its image: comments, segments of programs, a tail.

    Args:
        frame: the frame.
        rle: of a frame in RLE, the number of its segments and the bytes of each when unpacked.

    Source: ITU-T T.81 annex B, T.87 annex C, T.800 annexes A and I; DICOM PS3.5 annex G.
    """
    if rle is not None:
        return [*_rle(frame, *rle)]
    if frame.startswith(b"\xff\xd8"):
        return [*_jpeg(frame)]
    if frame.startswith(b"\xff\x4f"):
        return [*_codestream(frame, 0, len(frame))]
    if frame.startswith(b"\0\0\0\x0cjP  "):
        return [*_boxes(frame, 0, len(frame))]
    return [Span("a frame in a coding that is not searched", 0, 0)]


def _tail(data: bytes, start: int, end: int, what: str) -> Iterator[Span]:
    if data[start:end].strip(b"\0") not in (b"", b"\xff"):  # what makes the length even
        yield Span(f"bytes behind the end of the {what} image", start, end)


def _jpeg(data: bytes) -> Iterator[Span]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == 0xFF:  # a fill byte
            at += 1
            continue
        if kind == _EOI:
            yield from _tail(data, at + 2, len(data), "JPEG")
            return
        stop = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        body = data[at + 4 : stop]
        if kind not in _JPEG and any(body) and not _is_setting(kind, body):
            name = "a comment" if kind == 0xFE else f"a segment APP{kind - 0xE0}"
            yield Span(f"{name if kind >= 0xE0 else 'a segment'} of JPEG", at + 4, stop)
        at = stop
        # The coded data behind the head of a scan have no stated length.
        if kind == _SOS:
            next_marker = _NEXT.search(data, at)
            at = next_marker.start() if next_marker else len(data)
    if data[at : at + 2] != b"\xff\xd9":
        yield from _tail(data, at, len(data), "JPEG")


def _is_setting(kind: int, body: bytes) -> bool:
    """Return whether a segment tells how colours are coded, and nothing else."""
    if kind == 0xE0:  # JFIF without a thumbnail, of a density of up to 9999
        return re.fullmatch(rb"JFIF\0\x01[\0-\x02][\0-\x02](.{4})\0\0", body, re.S) is not None
    if kind == 0xEE:  # Adobe; its flags are numbers that no decoder needs
        return re.fullmatch(rb"Adobe\0[\0de][\0\xc0]\0\0\0[\0-\x02]", body) is not None
    return kind == 0xE8 and re.fullmatch(rb"mrfx[\0-\x05]", body) is not None


def _codestream(data: bytes, at: int, end: int) -> Iterator[Span]:
    at, part = at + 2, None
    while at + 2 <= end and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == _EOC:
            yield from _tail(data, at + 2, end, "JPEG 2000")
            return
        if kind == _SOD:
            at = _behind(data, part, end)
            continue
        if at + 4 > end:
            break
        stop = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if kind == _SOT:
            part = at
        elif kind not in _JPEG_2000:
            start = at + 6 if kind == 0x64 else at + 4  # the kind of a comment stays
            name = "a comment" if kind == 0x64 else "a segment"
            if any(data[start:stop]):
                yield Span(f"{name} of JPEG 2000", start, stop)
        at = stop
    yield from _tail(data, at, end, "JPEG 2000")


def _behind(data: bytes, part: int | None, end: int) -> int:
    """Return where a tile-part ends: its length is 0 if it is the last one."""
    length = struct.unpack_from(">I", data, part + 6)[0] if part is not None else 0
    if part is None or not length:
        last = data.rfind(b"\xff\xd9", 0, end)
        return last if last >= 0 else end
    return min(int(part + length), end)


def _boxes(data: bytes, at: int, end: int) -> Iterator[Span]:
    while at + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        # A length of 1 says that the true one follows in 64 bits, and 0 that the box ends the file.
        if length == 1 and at + 16 <= end:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        stop = end if length == 0 else min(at + length, end)
        if kind == b"jp2h":
            yield from _boxes(data, start, stop)
        elif kind == b"jp2c":
            yield from _codestream(data, start, stop)
        elif kind == b"colr":
            # Method 2 is an ICC profile behind three bytes: method, precedence, approximation.
            for span in profile_spans(data[start + 3 : stop]) if data[start] == 2 else []:
                yield Span(span.what, start + 3 + span.start, start + 3 + span.stop)
        elif kind not in _BOXES and any(data[start:stop]):
            yield Span("a box of JPEG 2000", start, stop)
        # A box that states less than its head must not hold the loop at its place.
        at = max(stop, at + 8)
    if any(data[at:end]):
        yield Span("bytes behind the last box of JPEG 2000", at, end)


def _rle(data: bytes, segments: int, unpacked: int) -> Iterator[Span]:
    if len(data) < 64:
        return
    header = struct.unpack_from("<16I", data)
    if header[0] != segments:
        yield Span("a number of RLE segments that does not fit the image", 0, 0)
        return
    if any(header[segments + 1 :]):
        yield Span("numbers behind the offsets of RLE", 4 * (segments + 1), 64)
    ends = [*header[2 : segments + 1], len(data)]
    for start, stop in zip(header[1 : segments + 1], ends, strict=True):
        at, byte_count = start, 0
        while byte_count < unpacked and at < stop:
            run = data[at]
            # PackBits: n < 128 copies the next n + 1 bytes, n > 128 repeats the next one 257 - n
            # times, and 128 does nothing.
            byte_count += run + 1 if run < 128 else 257 - run if run > 128 else 0
            at += run + 2 if run < 128 else 2 if run > 128 else 1
        if any(data[at:stop]):
            yield Span("bytes behind a segment of RLE", at, stop)
