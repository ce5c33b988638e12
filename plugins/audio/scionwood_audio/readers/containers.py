"""Checks of WAV, RF64, W64 and OGG before libsndfile, which reads damaged files without a word."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from scionwood import ReadError

STREAMED = (0xFFFFFFFF, 0x7FFFF000)
"""The sizes that FFmpeg and SoX write into a pipe, whose end they do not know."""

PCM = (1, 3, 0xFFFE)
"""The codes of integers, of floats, and of either in an extended header."""

TAIL = 4096
"""Bytes after the samples that are no chunk and still pass: some recorders fill up a block."""

_W64 = bytes.fromhex("f3acd3118cd100c04f8edb8a")
"""The end of the identifiers of Sony's Wave64, after four letters."""

_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Chunk(NamedTuple):
    """A part of a WAV, RF64 or W64."""

    name: bytes
    start: int
    length: int


def check_container(path: Path) -> None:
    """Refuse a WAV that is cut or contradicts itself, and an OGG with damaged pages."""
    with path.open("rb") as file:
        start = file.read(12)
        if not start:
            raise ReadError(str(path), "it is empty, and no sound", "Fetch it again")
        if start[:4] == b"OggS":
            _check_ogg(path, file)
        elif start[:4] in (b"RIFF", b"RIFX", b"RF64", b"riff"):
            _check_wav(path, file)
        elif start[:4] == b"fLaC" and not int.from_bytes(_at(file, 21, 5)) & 0xFFFFFFFFF:
            rule = "it does not state its length, as a FLAC that was written into a pipe"
            raise ReadError(str(path), rule, "Decode it to WAV: flac -d")


def byte_order(file: BinaryIO) -> str:
    """Return `>` for a RIFX, the WAV of big-endian machines, and `<` for others."""
    return ">" if _at(file, 0, 4) == b"RIFX" else "<"


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks of a WAV, RIFX, RF64 or W64, up to the end of the file."""
    start, order = _at(file, 0, 4), byte_order(file)
    if start == b"riff":  # sizes of 64 bits that count their header, and identifiers of 16 bytes
        place = 40
        while len(head := _at(file, place, 24)) == 24:
            length = struct.unpack("<Q", head[16:])[0] - 24
            yield Chunk(head[:4] if head[4:16] == _W64 else b"", place + 24, length)
            place += max(24, -(-(length + 24) // 8) * 8)
        return
    place, long = 12, None
    while len(head := _at(file, place, 8)) == 8:
        name, length = struct.unpack(order + "4sI", head)
        if name == b"ds64":
            long = struct.unpack("<Q", _at(file, place + 16, 8).ljust(8, b"\0"))[0]
        if name == b"data" and start == b"RF64" and length == 0xFFFFFFFF and long is not None:
            length = long
        yield Chunk(name, place + 8, length)
        place += 8 + length + length % 2


def _at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _check_wav(path: Path, file: BinaryIO) -> None:
    size = path.stat().st_size
    for name, start, length in chunks(file):
        if name == b"fmt ":
            _check_samples(path, _at(file, start, min(length, 40)), byte_order(file))
        if name == b"data":
            present = size - start
            declared = f"its WAV header declares {length:,} bytes of samples"
            if length > present and length not in STREAMED:
                rule = f"{declared}, and {present:,} are there"
                raise ReadError(str(path), rule, "Fetch it again: it is cut")
            chunk_follows = length and _at(file, start + length + length % 2, 4).isalnum()
            if present - length > TAIL and not chunk_follows:
                rule = f"{declared}, and {present - length:,} follow"
                remedy = "The recorder did not finish it: convert it with FFmpeg -ignore_length 1"
                raise ReadError(str(path), rule, remedy)
            _check_w64(path, file, size)
            return
    raise ReadError(str(path), "this WAV has no samples", "Fetch it again: it is cut")


def _check_w64(path: Path, file: BinaryIO, size: int) -> None:
    """Refuse a W64 of another size than it declares, or with an identifier that is damaged."""
    start = _at(file, 0, 40)
    if start[:4] != b"riff":
        return
    declared = int.from_bytes(start[16:24], "little")
    if declared != size:
        rule = f"its W64 header declares {declared:,} bytes, and {size:,} are there"
        raise ReadError(str(path), rule, "Fetch it again")
    if start[24:] != b"wave" + _W64 or not all(chunk.name for chunk in chunks(file)):
        raise ReadError(str(path), "an identifier of this W64 is damaged", "Fetch it again")


def _check_samples(path: Path, layout: bytes, order: str) -> None:
    if len(layout) < 16:
        raise ReadError(str(path), "its WAV header is cut", "Fetch it again")
    code, channels, rate, speed, block, bits = struct.unpack(order + "HHIIHH", layout[:16])
    if not rate and not speed:
        rule = "its WAV header states no sampling rate"
        raise ReadError(str(path), rule, "Export it again with its rate")
    if code not in PCM:
        return
    if bits % 8 or block != channels * bits // 8:
        rule = f"samples of {bits} bits in {channels} channels do not fill blocks of {block} bytes"
        raise ReadError(str(path), rule, "Its WAV header is damaged: export it again")
    if block and speed not in (0, rate * block):
        other = f"{speed / block:,.7g} samples a second"
        rule = f"its WAV header states two rates, {rate:,} and {other}"
        raise ReadError(str(path), rule, "Find out which is true, and export it again")


def _check_ogg(path: Path, file: BinaryIO) -> None:
    """Walk the pages: each has a checksum and a number, and the last one says so (RFC 3533)."""
    expected: dict[int, int] = {}
    ended = False
    place, size = 0, path.stat().st_size
    while place < size:
        head = _at(file, place, 27)
        if len(head) < 27 or head[:4] != b"OggS":
            raise _damaged(path, place, "no page begins there")
        flags, serial, number, checksum, count = struct.unpack("<5xB8xIIIB", head)
        table = file.read(count)
        end = place + 27 + count + sum(table)
        if end > size:
            raise _damaged(path, place, "the file ends inside of this page")
        page = head[:22] + bytes(4) + head[26:] + table + file.read(sum(table))
        if _checksum(page) != checksum:
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
