"""Bytes at positions of an open file, and its lock: the same on POSIX and on Windows."""

from __future__ import annotations

import os
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    import msvcrt

_BINARY = getattr(os, "O_BINARY", 0)  # Windows translates line ends without it
_FAR = 1 << 40  # Windows locks bytes, which nobody may read then: one that no file has


def open_binary(path: Path, *, writable: bool = False) -> int:
    """Open a file and return its descriptor; a writable file is created if it is missing."""
    mode = os.O_RDWR | os.O_CREAT if writable else os.O_RDONLY
    return os.open(path, mode | _BINARY, 0o666)


def read_at(file: int, view: memoryview, offset: int) -> int:
    """Read bytes from an offset into a view, and return their number: 0 at the end of the file."""
    if hasattr(os, "preadv"):
        return os.preadv(file, [view], offset)
    os.lseek(file, offset, os.SEEK_SET)
    data = os.read(file, view.nbytes)
    view[: len(data)] = data
    return len(data)


def write_at(file: int, data: memoryview, offset: int) -> int:
    """Write bytes at an offset, and return how many were written."""
    if hasattr(os, "pwrite"):
        return os.pwrite(file, data, offset)
    os.lseek(file, offset, os.SEEK_SET)
    return os.write(file, data)


def lock(file: int) -> None:
    """Lock an open file for this process, until the file is closed.

    Raises:
        OSError: EAGAIN or EACCES if another process holds the lock.
    """
    if "fcntl" in globals():
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    os.lseek(file, _FAR, os.SEEK_SET)
    msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
