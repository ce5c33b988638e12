"""Limits on the memory that a file may claim."""

from __future__ import annotations

from pathlib import Path

from scionwood_sandbox import ReadError

LARGEST = 4 << 30
"""Bytes that one record may take in memory, unless the reader is told otherwise."""

INFLATED = 512 << 20
"""Bytes that a compressed file may inflate to before its content is read."""

PER_BYTE = 8 * 1032
"""Pixels that one byte of a file can hold: deflate shrinks 1032 times, and a pixel has one bit.

Other compressions of photographs hold fewer. Only an empty page in a fax or WebP file holds more.
"""


def check_pixels(path: Path, kind: str, size: tuple[int, int], inside: int) -> None:
    """Refuse a picture that its file cannot hold, before memory is allocated for it.

    Args:
        path: the file, for the message.
        kind: the format, for the message.
        size: declared pixels in x and y.
        inside: bytes of the file.

    Raises:
        ReadError: it declares more than `PER_BYTE` pixels for each byte.
    """
    width, height = size
    if width * height > PER_BYTE * inside:
        rule = (
            f"{kind}: {inside:,} bytes cannot hold the {width} x {height} pixels that it declares"
        )
        raise ReadError(str(path), rule, "Copy it again: it is truncated, or its header is wrong")
