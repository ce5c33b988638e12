"""Say whether readers decode in a child, and what this system can enforce."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache

from scionwood_sandbox import settings
from scionwood_sandbox.errors import ReadError

CHOICES = ("inline", "service", "strict", "plain")
"""In this process; in a child; in a child behind all walls or not at all; in a child without."""

_inside = False
_reported = False


def _choice() -> str:
    choice = os.environ.get(settings.variable) or "inline"
    if choice not in CHOICES:
        rule, remedy = f"it is one of {', '.join(CHOICES)}", "Set one of them"
        raise ReadError(f"{settings.variable}={choice}", rule, remedy)
    return choice


def is_enabled() -> bool:
    """Return whether a reader that is opened now decodes in a child."""
    return _choice() != "inline" and not _inside


def walled() -> bool:
    """Return whether a child is a fork behind walls; a plain subprocess otherwise."""
    if _choice() == "plain":
        return False
    if not possible() and _choice() == "strict":
        raise _refusal("this system has no reader service: it needs Linux 5.3")
    return possible()


def report(walls: Collection[str]) -> None:
    """Say once what does not restrict a child."""
    global _reported
    from scionwood_sandbox.decoding.sandbox import WALLS

    missing = [name for name in WALLS if name not in walls]
    if missing and _choice() == "strict":
        raise _refusal(f"a decoder would run without {' and '.join(missing)} here")
    if missing and not _reported:
        _reported = True
        risk = "; ".join(WALLS[name] for name in missing)
        print(
            f"warning: files are decoded without {', '.join(missing)}: a hostile file can mean "
            f"that {risk}. {settings.variable}=strict refuses",
            file=sys.stderr,
        )


def _refusal(rule: str) -> ReadError:
    return ReadError(
        f"{settings.variable}=strict", rule, f"Use another machine, or {settings.variable}=service"
    )


@contextmanager
def service_in_commands() -> Iterator[None]:
    """Let readers decode in a child inside the block, unless the variable says otherwise.

    The variable itself is set for that time, so that threads and worker processes, forked or
    spawned, do the same.
    """
    if os.environ.get(settings.variable):
        yield
        return
    os.environ[settings.variable] = "service"
    try:
        yield
    finally:
        os.environ.pop(settings.variable, None)


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
        >>> from scionwood_sandbox import enforced
        >>> all(isinstance(whether, bool) for whether, _ in enforced())
        True
    """
    choice = os.environ.get(settings.variable) or "on in commands"
    lines = [
        (
            True,
            f"decoding in a child: {choice}; {settings.variable}={', '.join(CHOICES)} changes it",
        ),
        (True, "a crash and a hang end as errors"),
    ]
    if not possible():
        return [
            *lines,
            (False, "no sandbox: the child is a plain subprocess; walls need Linux 5.3"),
        ]
    from scionwood_sandbox.decoding import landlock, seccomp

    version, calls = landlock.version(), seccomp.available()
    return [
        *lines,
        (True, "too much memory ends as an error (rlimits)"),
        (version > 0, f"no other file is read (Landlock {version})" if version else "no Landlock"),
        (calls, "no network, no program, no signal (seccomp)" if calls else "no seccomp"),
    ]
