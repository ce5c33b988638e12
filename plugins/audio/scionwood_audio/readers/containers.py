"""Checks of RIFF and OGG before libsndfile, which reads cut and damaged files without a word."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from scionwood import ReadError

STREAMED = 0xFFFFFFFF
"""The size that programs write into a pipe, whose end they do not know."""

_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def check_container(path: Path) -> None:
    """Refuse a WAV that is cut or whose samples have an odd size, and an OGG with damaged pages.

    Args:
        path: the file; other formats pass.

    Raises:
        ReadError: naming what the file declares and what it holds.
    """
    with path.open("rb") as file:
        start = file.read(12)
    if not start:
        raise ReadError(str(path), "it is empty", "Fetch it again")
    if start[:4] == b"RIFF" and start[8:] == b"WAVE":
        _check_wav(path)
    elif start[:4] == b"OggS":
        _check_ogg(path)


def _check_wav(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            here = file.tell()
            if name == b"fmt ":
                _check_samples(path, file.read(min(length, 40)))
            if name == b"data":
                if length != STREAMED and here + length > size:
                    rule = f"it declares {length:,} bytes of samples, and holds {size - here:,}"
                    raise ReadError(str(path), rule, "Fetch it again: it is cut")
                return
            file.seek(here + length + length % 2)
    raise ReadError(str(path), "it has no samples", "Fetch it again: it is cut")


def _check_samples(path: Path, layout: bytes) -> None:
    if len(layout) < 16:
        raise ReadError(str(path), "its header is cut", "Fetch it again")
    code, channels, _, _, block, bits = struct.unpack("<HHIIHH", layout[:16])
    pcm = code in (1, 3, 0xFFFE)  # integers, floats, and either in an extended header
    if pcm and (bits % 8 or block != channels * bits // 8):
        rule = f"samples of {bits} bits in {channels} channels do not fill blocks of {block} bytes"
        raise ReadError(str(path), rule, "Its header is damaged: export it again")


def _check_ogg(path: Path) -> None:
    """Walk the pages: each has a checksum and a number, and the last one says so (RFC 3533)."""
    expected: dict[int, int] = {}
    ended = False
    place, content = 0, path.read_bytes()
    while place < len(content):
        head = content[place : place + 27]
        if len(head) < 27 or head[:4] != b"OggS":
            raise _damaged(path, place, "no page begins there")
        flags, serial, number, stated, count = struct.unpack("<5xB8xIIIB", head)
        table = content[place + 27 : place + 27 + count]
        end = place + 27 + count + sum(table)
        if end > len(content):
            raise _damaged(path, place, "the file ends inside of this page")
        page = content[place : place + 22] + bytes(4) + content[place + 26 : end]
        if _checksum(page) != stated:
            raise _damaged(path, place, "its checksum differs")
        if ended:
            rule = "a second recording follows the first in one file"
            raise ReadError(str(path), rule, "libsndfile reads the first alone: split the file")
        if number != expected.get(serial, number):
            raise _damaged(path, place, f"page {expected[serial]} is missing")
        expected[serial] = number + 1
        ended, place = bool(flags & 4), end
    if not ended:
        raise _damaged(path, place, "the last page is missing")


def _damaged(path: Path, place: int, what: str) -> ReadError:
    return ReadError(str(path), f"OGG page at byte {place:,}: {what}", "Fetch it again")


def _checksum(page: bytes) -> int:
    # OGG's polynomial is that of zlib with the bits in the other order, without the inversions.
    mirrored = zlib.crc32(page.translate(_MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
