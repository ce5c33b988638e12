"""One writer of a run folder at a time: a lock that ends with its process, however that ends."""

from __future__ import annotations

import errno
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scionwood.errors import TrainingError
from scionwood_sandbox.files import writing

NAME = ".writer"
"""The file in the run folder that its writer locks; the text in it says who that is."""

_HELD = (errno.EAGAIN, errno.EACCES)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_FAR = 1 << 40  # Windows locks bytes, which nobody may read then: one that the file does not have
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder inside the block.

    The system drops the lock of a process that ends, a killed one too, whose file then stays.
    Processes that it started, such as those of a data loader, do not keep the lock.

    Args:
        folder: the run folder.

    Raises:
        TrainingError: another process trains in the folder; the message names it.
        WriteError: the file cannot be made.
    """
    path = folder / NAME
    while (file := _hold(path)) is None:
        pass
    try:
        yield
    finally:
        try:
            if os.name != "nt":  # Windows removes no open file
                path.unlink(missing_ok=True)
        finally:
            os.close(file)


def _hold(path: Path) -> int | None:
    """Return the locked file, or `None` if the previous writer has removed it meanwhile."""
    with writing(path):
        file = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
    held = False
    try:
        _take(file, path.parent)
        held = os.fstat(file).st_nlink > 0
        if held:
            _write(file, f"process {os.getpid()} on {socket.gethostname()}")
    finally:
        if not held:
            os.close(file)
    return file if held else None


def _take(file: int, folder: Path) -> None:
    try:
        _lock(file)
    except OSError as error:
        if error.errno in _HELD:
            os.lseek(file, 0, os.SEEK_SET)
            writer = os.read(file, 200).decode("utf-8", "replace") or "another process"
            rule = f"{writer} trains in this folder"
            remedy = "Wait for it or stop it, or choose another folder: --run FOLDER"
            raise TrainingError(f"run {folder}", rule, remedy) from error
        if error.errno not in _NO_LOCKS:
            raise
        note = f"{folder}: this file system has no locks ({error.strerror}). "
        warnings.warn(f"{note}Let no second process train in this folder", stacklevel=2)


def _lock(file: int) -> None:
    # Not flock(2): a child inherits its lock, so the workers of a killed process would keep it.
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write(file: int, text: str) -> None:
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, text.encode())
