"""Open a seismic file with the reader of its format."""

from __future__ import annotations

from pathlib import Path

from scionwood_seismic.readers.segy import Gather, SegyReader


def open_reader(path: Path, *, gather: Gather | None = None) -> SegyReader:
    """Open a file.

    Args:
        path: the file.
        gather: the header key that tells gathers apart, where the format has one.

    Raises:
        ReadError: no reader knows the format, or the file is damaged.
    """
    return SegyReader(path, gather=gather)
