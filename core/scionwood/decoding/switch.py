"""Say whether readers decode in a child, and what this system can enforce."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from scionwood.errors import ReadError

VARIABLE = "SCIONWOOD_READERS"
"""The environment variable that chooses: `service`, or `inline`, which is Python's default."""

_inside = False


def wanted() -> bool:
    """Return whether a reader that is opened now decodes in a child.

    Raises:
        ReadError: the variable has another value than `service` and `inline`.
    """
    choice = os.environ.get(VARIABLE, "inline") or "inline"
    if choice not in ("service", "inline"):
        raise ReadError(f"{VARIABLE}={choice}", "it is service or inline", "Set one of the two")
    return choice == "service" and not _inside and possible()


@contextmanager
def service_in_commands() -> Iterator[None]:
    """Let readers decode in a child inside the block, unless the variable says otherwise.

    The variable itself is set for that time, so that threads and worker processes, forked or
    spawned, do the same.
    """
    if os.environ.get(VARIABLE):
        yield
        return
    os.environ[VARIABLE] = "service"
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)


@cache
def possible() -> bool:
    """Return whether this system has a reader service: Linux 5.3 and later has."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
        os.close(os.memfd_create("probe", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
    except OSError:  # an old kernel, or a container that forbids them
        return False
    return True


def enter_child() -> None:
    """Note that this process is a child of the service, which decodes by itself."""
    global _inside
    _inside = True


def enforced() -> list[tuple[bool, str]]:
    """Return what this system can enforce on a child that decodes, as (whether, what).

    Example:
        >>> from scionwood.decoding import enforced
        >>> all(isinstance(whether, bool) for whether, _ in enforced())
        True
    """
    if not possible():
        return [(False, "readers decode in this process: the reader service needs Linux 5.3")]
    from scionwood.decoding import sandbox

    version = sandbox.landlock_version()
    choice = os.environ.get(VARIABLE) or "on in commands"
    files = f"no other file is read (Landlock {version})" if version else "files: no Landlock"
    calls = "no network, no program, no signal (seccomp)"
    return [
        (True, f"decoding in a child: {choice}; {VARIABLE}=service or inline changes it"),
        (True, "a crash, a hang and too much memory end as errors (rlimits)"),
        (version > 0, files),
        (sandbox.has_seccomp(), calls if sandbox.has_seccomp() else "calls: no seccomp here"),
    ]
