"""Sounds and pictures of gcompris-qt-data, which lie in compiled resources of Qt."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

LARGEST = 1 << 26
"""Bytes of the largest entry."""


def entries(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the content of each file in a `.rcc`, versions 1 to 3 of its format."""
    content = path.read_bytes()
    if content[:4] != b"qres":
        raise ValueError(f"{path}: it is no resource of Qt. Install gcompris-qt-data again")
    version, tree, data, names = struct.unpack(">4I", content[4:20])
    size = 22 if version >= 2 else 14

    def name(offset: int) -> str:
        (length,) = struct.unpack_from(">H", content, names + offset)
        start = names + offset + 6
        return content[start : start + 2 * length].decode("utf-16-be")

    def walk(node: int, above: str) -> Iterator[tuple[str, bytes]]:
        place = tree + node * size
        offset, flags = struct.unpack_from(">IH", content, place)
        here = f"{above}/{name(offset)}" if node else above
        if flags & 2:
            count, first = struct.unpack_from(">II", content, place + 6)
            for child in range(first, first + count):
                yield from walk(child, here)
        else:
            (start,) = struct.unpack_from(">I", content, place + 10)
            (length,) = struct.unpack_from(">I", content, data + start)
            raw = content[data + start + 4 : data + start + 4 + length]
            yield here, _plain(raw, flags)

    yield from walk(0, "")


def _plain(raw: bytes, flags: int) -> bytes:
    if flags & 1:
        return zlib.decompress(raw[4:])
    if flags & 4:
        import zstandard

        return zstandard.ZstdDecompressor().decompress(raw, max_output_size=LARGEST)
    return raw
