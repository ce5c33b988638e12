"""Say whether readers decode in a child, and what this system can enforce."""

from __future__ import annotations

import os
import sys

from scionwood.errors import ReadError

VARIABLE = "SCIONWOOD_READERS"
"""The environment variable that chooses: `service`, or `inline`, which is the default."""

_inside = False


def wanted() -> bool:
    """Return whether a reader that is opened now decodes in a child.

    Raises:
        ReadError: the variable has another value than `service` and `inline`.
    """
    choice = os.environ.get(VARIABLE, "inline") or "inline"
    if choice not in ("service", "inline"):
        raise ReadError(f"{VARIABLE}={choice}", "it is service or inline", "Set one of the two")
    return choice == "service" and possible() and not _inside


def possible() -> bool:
    """Return whether this system has a reader service: Linux has."""
    return sys.platform == "linux"


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
        return [(False, "readers decode in this process: the reader service needs Linux")]
    from scionwood.decoding import sandbox

    version = sandbox.landlock_version()
    mode = "on" if wanted() else f"off; {VARIABLE}=service switches it on"
    files = f"no other file is read (Landlock {version})" if version else "files: no Landlock"
    calls = "no network, no program, no signal (seccomp)"
    return [
        (True, f"decoding in a child: {mode}"),
        (True, "a crash, a hang and too much memory end as errors (rlimits)"),
        (version > 0, files),
        (sandbox.has_seccomp(), calls if sandbox.has_seccomp() else "calls: machine not known"),
    ]
