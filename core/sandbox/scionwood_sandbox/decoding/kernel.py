"""Call the kernel by number, where Python and the C library have no function for it."""

from __future__ import annotations

import ctypes
import os
from functools import cache


@cache
def library() -> ctypes.CDLL:
    """Return the C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def call(*arguments: object) -> int:
    """Return what the system call of a number returns."""
    return checked(library().syscall(*arguments))


def prctl(option: int, first: object, second: object = 0) -> None:
    """Change a property of this process."""
    checked(library().prctl(option, first, second, 0, 0))


def checked(result: int) -> int:
    """Return the result of a function of the C library."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
