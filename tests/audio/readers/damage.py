"""Sounds of every format, made from a seed, and what became of them on the way."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import soundfile

RATE = 44_100
FRAMES = 55_744


def song(frames: int = FRAMES, channels: int = 1) -> np.ndarray:
    """Return a rising tone in noise, (frame, channel), within -0.5 and 0.5."""
    time = np.arange(frames) / RATE
    noise = np.random.default_rng(0).normal(0, 0.02, (frames, channels))
    return 0.3 * np.sin(2 * np.pi * (2000 + 1500 * time) * time)[:, None] + noise.clip(-0.2, 0.2)


def encoded(
    form: str,
    subtype: str | None = None,
    data: np.ndarray | None = None,
    endian: str | None = None,
) -> bytes:
    """Return the bytes of a sound in a format of libsndfile."""
    file = io.BytesIO()
    soundfile.write(file, song() if data is None else data, RATE, subtype, endian, form)
    return file.getvalue()


def put(content: bytes, place: int, layout: str, *values: float) -> bytes:
    """Return a copy of bytes with numbers in the place of others."""
    new = struct.pack("<" + layout, *values)
    return content[:place] + new + content[place + len(new) :]


def noise(content: bytes, share: float, size: int) -> bytes:
    """Return a copy of bytes with random ones at a share of its length."""
    place = int(len(content) * share)
    return content[:place] + np.random.default_rng(1).bytes(size) + content[place + size :]


def pages(ogg: bytes) -> list[bytes]:
    """Return the pages of an OGG."""
    found, place = [], 0
    while place < len(ogg):
        table = ogg[place + 27 : place + 27 + ogg[place + 26]]
        end = place + 27 + len(table) + sum(table)
        found.append(ogg[place:end])
        place = end
    return found


def page(old: bytes, *, late: int = 0, number: int | None = None, last: bool = False) -> bytes:
    """Return a page with another time, number or flag, and the checksum that belongs to it."""
    flags, time = old[5] | 4 * last, struct.unpack("<q", old[6:14])[0] + late
    new = put(put(old, 5, "B", flags), 6, "q", time)
    new = put(new if number is None else put(new, 18, "I", number), 22, "I", 0)
    return put(new, 22, "I", _checksum(new))


def _checksum(content: bytes) -> int:
    value = 0
    for byte in content:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
    return value & 0xFFFFFFFF


def hole(ogg: bytes, seconds: float) -> bytes:
    """Return an OGG whose later pages count more samples than it holds."""
    first, *rest = pages(ogg)
    rest[2:] = [page(each, late=round(seconds * RATE)) for each in rest[2:]]
    return first + b"".join(rest)


def beginning_late(ogg: bytes, seconds: float) -> bytes:
    """Return an OGG that was cut out of a longer stream: it counts from its beginning."""
    found = pages(ogg)
    heads = [each for each in found if struct.unpack("<q", each[6:14])[0] == 0]
    return b"".join(heads + [page(p, late=round(seconds * RATE)) for p in found[len(heads) :]])


def without_page(ogg: bytes, gone: int) -> bytes:
    """Return an OGG without one of its pages."""
    return b"".join(each for number, each in enumerate(pages(ogg)) if number != gone)


def png() -> bytes:
    """Return a picture of a point."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    )
