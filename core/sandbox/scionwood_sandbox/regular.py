"""Open a file of a stranger: a regular file and nothing else, checked after it is open."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

from scionwood_sandbox.errors import ReadError

_NAMES = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")  # no system has all of them
_FLAGS = sum(getattr(os, name, 0) for name in _NAMES)
_LINK = (errno.ELOOP, errno.EMLINK)


def open_regular(path: str | Path) -> io.BufferedReader:
    """Open a regular file to read it; close it as any other file.

    A link, a pipe, a socket or a device is refused, and none of them can make this wait. The open
    file is what is checked, so nothing can be swapped in between the check and the reading.

    Args:
        path: the file. Links in the path of its folder are followed.

    Raises:
        ReadError: it is missing, may not be read, or is not a regular file.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_sandbox.regular import open_regular
        >>> size = Path("a.json").write_text("{}")
        >>> with open_regular("a.json") as file:
        ...     file.read()
        b'{}'
    """
    try:
        if not hasattr(os, "O_NOFOLLOW") and os.path.islink(path):  # Windows
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        handle = os.open(path, os.O_RDONLY | _FLAGS)
    except OSError as error:
        raise _refusal(path, error) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ReadError(str(path), "it is not a regular file", "Ask for the file itself")
    return open(handle, "rb")


def _refusal(path: str | Path, error: OSError) -> ReadError:
    if error.errno in _LINK:
        return ReadError(str(path), "it is a link", "Put the file itself in its place")
    if isinstance(error, FileNotFoundError):
        return ReadError(str(path), "there is no such file", "Check the path")
    return ReadError(str(path), f"it cannot be read ({error.strerror})", "Check the file")
