"""State how much a child may use to decode one file."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on a child that decodes files.

    Attributes:
        cpu: seconds of CPU for one request. One second is added for each 8 MiB of the file.
        wall: seconds that the parent waits for the whole of one answer, with the same addition.
        memory: bytes that the child may take over what it had at its start, on its heap and in
            memory that it shares. Four times the file's size is added, up to half of the machine's
            memory.
        size: bytes of the largest answer, and of the largest file that the child may write.

    Example:
        >>> from scionwood_sandbox import Limits
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


def extra_seconds(size: int, *, whole: bool = False) -> int:
    """Return the seconds that a file of `size` bytes adds to the limits."""
    seconds = size // _BYTES_PER_SECOND
    return seconds if whole else min(seconds, _LONGEST)


def extra_memory(size: int) -> int:
    """Return the bytes of memory that a file of `size` bytes adds to the limits."""
    half_of_memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return min(_TIMES * size, half_of_memory)


def lower(which: int, limit: int) -> None:
    """Set a limit of this process, or leave the one of its shell where that is lower."""
    import resource  # POSIX alone has it

    _, hard = resource.getrlimit(which)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(which, (limit, limit))


def tight() -> str:
    """Return the limits of this shell or batch job that a decoder may meet before ours."""
    try:
        import resource  # POSIX alone has it
    except ImportError:
        return ""
    parts = []
    for flag, name, unit in (("v", "AS", "MiB"), ("d", "DATA", "MiB"), ("t", "CPU", "s")):
        limit, _ = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
        if limit != resource.RLIM_INFINITY:
            parts.append(f"ulimit -{flag} is {limit >> 20 if unit == 'MiB' else limit} {unit}")
    return " and ".join(parts)
