"""Find out whether a TIFF stores tiles; only its first directory is read."""

from __future__ import annotations

import struct
from pathlib import Path

_TILE_WIDTH = 322
_MAX_ENTRIES = 4096
"""Maximum number of directory entries that are read; real files have a few dozen."""


def is_tiled(path: Path) -> bool:
    """Return whether the first image of a TIFF is stored in tiles, as whole slides are.

    Args:
        path: any file; the answer is false for a file that is not a TIFF.

    Source: TIFF 6.0, sections 2 and 15; BigTIFF.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
            order = {b"II": "<", b"MM": ">"}[head[:2]]
            big = struct.unpack_from(f"{order}H", head, 2)[0] == 43
            (start,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", head, 8 if big else 4)
            counts, entry = ("Q", 20) if big else ("H", 12)
            file.seek(start)
            (count,) = struct.unpack(
                f"{order}{counts}", file.read(struct.calcsize(f"{order}{counts}"))
            )
            directory = file.read(min(count, _MAX_ENTRIES) * entry)
    except (OSError, KeyError, struct.error, OverflowError):
        return False  # the reader that opens the file reports what is wrong
    tags = (
        struct.unpack_from(f"{order}H", directory, at)[0]
        for at in range(0, len(directory) - entry + 1, entry)
    )
    return _TILE_WIDTH in tags
