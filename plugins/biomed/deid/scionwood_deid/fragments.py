"""Where the frames of compressed pixels lie, and what lies between and behind them."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import NamedTuple, final

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")
"""How a frame of JPEG, of a JPEG 2000 codestream and of a JP2 file begins."""


@final
class Span(NamedTuple):
    """Bytes of an element that are no part of its image.

    Attributes:
        what: what they are.
        start: the first byte.
        stop: the byte behind the last one; equal to `start` if they cannot be cleared.
    """

    what: str
    start: int
    stop: int


@final
class Fragments(NamedTuple):
    """The frames of an element.

    Attributes:
        frames: the pieces of each frame, each a first byte and the byte behind its last one.
        spans: what lies outside of them.
        extra: the head of the first fragment behind the last frame, if there is one.
    """

    frames: list[list[tuple[int, int]]]
    spans: list[Span]
    extra: int | None = None


def fragments_of(data: bytes, count: int) -> Fragments:
    """Find the frames in encapsulated pixels.

    Args:
        data: the value of PixelData: the table of offsets and the fragments.
        count: NumberOfFrames.

    Source: DICOM PS3.5 A.4.
    """
    items, spans = _items(data)
    table, pieces = (data[slice(*items[0])], items[1:]) if items else (b"", [])
    frames = _by_table(table, pieces) if table else _by_content(data, pieces, count)
    if frames is None:
        what = "a table of offsets that leads to no fragment" if table else "frames that mix"
        return Fragments([], [*spans, Span(what, 0, 0)])
    others = [piece for pieces in frames[count:] for piece in pieces]
    spans += [Span("a frame behind the last one", *piece) for piece in others]
    # 8 bytes of tag and length stand before the content of an item.
    return Fragments(frames[:count], spans, others[0][0] - 8 if others else None)


def shortened(data: bytes, count: int) -> bytes:
    """Return encapsulated pixels without the frames behind the last one.

    Args:
        data: the value of PixelData.
        count: NumberOfFrames.
    """
    extra = fragments_of(data, count).extra
    if extra is None:
        return data
    (length,) = struct.unpack_from("<I", data, 4)
    table = data[8 : 8 + length][: 4 * count]
    return _ITEM + struct.pack("<I", len(table)) + table + data[8 + length : extra]


def _items(data: bytes) -> tuple[list[tuple[int, int]], list[Span]]:
    items, at = [], 0
    while data[at : at + 4] == _ITEM and at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        if at + 8 + length > len(data):
            break
        items.append((at + 8, at + 8 + length))
        at += 8 + length
    if data[at : at + 4] == _END:
        at += 8
    return items, [Span("bytes behind the last fragment", at, len(data))] * any(data[at:])


def _by_table(table: bytes, pieces: list[tuple[int, int]]) -> list[list[tuple[int, int]]] | None:
    if len(table) % 4 or not pieces:
        return None
    offsets = struct.unpack(f"<{len(table) // 4}I", table)
    places = [start - pieces[0][0] for start, _ in pieces]
    # A table that is not true could hide a fragment from the search, so that it is not mended.
    if offsets[0] or not set(offsets) <= set(places) or any(a >= b for a, b in pairwise(offsets)):
        return None
    ends = [places.index(offset) for offset in offsets[1:]] + [len(pieces)]
    return [pieces[places.index(a) : end] for a, end in zip(offsets, ends, strict=True)]


def _by_content(
    data: bytes, pieces: list[tuple[int, int]], count: int
) -> list[list[tuple[int, int]]] | None:
    # Without a table, one fragment for each frame is the only sure case; else frames are told apart
    # by how they begin.
    if len(pieces) == count:
        return [[piece] for piece in pieces]
    begin = [at for at, (start, _) in enumerate(pieces) if data.startswith(_STARTS, start)]
    if begin and begin[0] == 0 and len(begin) >= count:
        return [pieces[a:b] for a, b in pairwise([*begin, len(pieces)])]
    return [pieces] if count == 1 else None
