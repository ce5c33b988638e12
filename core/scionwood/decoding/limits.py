"""State how much a child may use to decode one file."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on a child that decodes files.

    Attributes:
        cpu: seconds of CPU for one request. One second is added for each 8 MiB of the file.
        wall: seconds that the parent waits for one answer, with the same addition.
        memory: bytes that the child may allocate over what it had at its start. Four times the
            file's size is added, up to half of the machine's memory.
        size: bytes of the largest answer, and of the largest file that the child may write.

    Example:
        >>> from scionwood.decoding import Limits
        >>> Limits(cpu=2).memory >> 20
        1024
    """

    cpu: int = 8
    wall: int = 60
    memory: int = 1 << 30
    size: int = 4 << 30


_BYTES_PER_SECOND = 8 << 20
_LONGEST = 600
_TIMES = 4  # a compressed file of numbers seldom grows more


def extra_seconds(size: int) -> int:
    """Return the seconds that a file of `size` bytes adds to the limits, at most 600."""
    return min(size // _BYTES_PER_SECOND, _LONGEST)


def extra_memory(size: int) -> int:
    """Return the bytes of memory that a file of `size` bytes adds to the limits."""
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return min(_TIMES * size, most)
