"""A child as its parent holds it: a fork of the zygote behind walls, or a plain subprocess."""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO, cast

from scionwood_sandbox.decoding.arena import Grants
from scionwood_sandbox.decoding.control import START, environment, forget, hand_over
from scionwood_sandbox.decoding.wire import Link, receive, send

_PATIENCE = 10  # seconds until the zygote has told how a child ended
Ending = tuple[int, float, int]
"""The exit code or minus the signal, seconds of CPU, and bytes at the peak."""


class Forked:
    """A child that the zygote forked, for one file or one session."""

    shares = True

    def __init__(self, modules: Collection[str], job: dict[str, Any]) -> None:
        sock, self._status, self.handle, self.walls = hand_over(modules, job)
        self.link, self.grants = Link(sock), Grants()
        self._base = self._number = 0  # bytes of the heap before its first file; its pid
        self._limits: dict[str, int] = {}

    def allow(self, cpu: int, memory: int) -> None:
        """Let it use so many seconds of CPU from now on, and so many bytes in all."""
        child = self._id()
        self._base = self._base or _heap(child)
        self._limit("RLIMIT_CPU", math.ceil(_seconds(child)) + cpu)
        self._limit("RLIMIT_DATA", self._base + max(memory - self.grants.total, 0))

    def _limit(self, name: str, limit: int) -> None:
        import resource  # POSIX alone has it

        if self._limits.get(name) == limit:
            return
        child, which = self._id(), getattr(resource, name)
        _, hard = resource.prlimit(child, which)
        resource.prlimit(child, which, (limit if hard < 0 else min(limit, hard), hard))
        self._limits[name] = limit

    def grant(self, size: int, memory: int) -> tuple[int, int] | None:
        """Return a block of shared memory, if it and the heap are not more than `memory` bytes."""
        child, left = self._id(), memory - self.grants.total - size
        if _heap(child) - self._base > left:
            return None
        try:
            block = self.grants.grant(size)
        except (OSError, MemoryError):  # the limits of a shell
            return None
        if block is not None:
            self._limit("RLIMIT_DATA", self._base + left)
        return block

    def seconds(self) -> float:
        """Return the seconds of CPU that it has used."""
        return _seconds(self._id())

    def _id(self) -> int:
        signal.pidfd_send_signal(self.handle, 0)  # it lives, so that its number is still its own
        if not self._number:
            lines = Path(f"/proc/self/fdinfo/{self.handle}").read_text("ascii").splitlines()
            self._number = next(int(line[4:]) for line in lines if line.startswith("Pid:"))
        return self._number

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)

    def ending(self) -> Ending | None:
        """Kill it, and return how it ended; None if the zygote is gone too."""
        self.kill()
        report = b""
        if select.select([self._status], [], [], _PATIENCE)[0]:
            report = os.read(self._status, 400)
        if not report:
            forget()
            return None
        code, cpu, peak = json.loads(report)
        return os.waitstatus_to_exitcode(code), cpu, peak

    def close(self, *, reusable: bool) -> None:
        """Close what leads to it."""
        os.close(self.handle)
        os.close(self._status)
        self.link.sock.close()


def _heap(child: int) -> int:
    try:
        lines = Path(f"/proc/{child}/status").read_text("utf-8").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData"))
    except (FileNotFoundError, StopIteration):
        raise ProcessLookupError from None


def _seconds(child: int) -> float:
    try:
        return time.clock_gettime(~child << 3 | 2)  # as clock_getcpuclockid(3) writes it
    except OSError:
        raise ProcessLookupError from None


_idle: list[Plain] = []
_PLAIN = """import sys; sys.path[:] = {!r}
from scionwood_sandbox.decoding import child
child.serve_plain({})"""


class Plain:
    """A subprocess without walls, for systems that have none: it can crash or hang by itself.

    It is used from file to file, because its start takes a second.
    """

    shares, walls, grants, handle = False, (), None, -1

    def __init__(self, job: dict[str, Any]) -> None:
        self.owner = os.getpid()
        mine, its = socket.socketpair()
        self.link = Link(mine)
        windows = sys.platform == "win32"
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PLAIN.format(sys.path, None if windows else its.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("SANDBOX_DEBUG") else subprocess.DEVNULL,
            env=environment(),
            pass_fds=() if windows else (its.fileno(),),
        )
        with its, cast("BinaryIO", self.process.stdin) as entry:
            if sys.platform == "win32":
                entry.write(its.share(self.process.pid))
        self.link.deadline = time.monotonic() + START
        send(self.link, job, inline=True)
        receive(self.link, largest=0, packages=())  # it has started

    @classmethod
    def start(cls, job: dict[str, Any]) -> Plain:
        """Return an idle one of this process, or a new one."""
        while _idle:
            plain = _idle.pop()
            if plain.owner == os.getpid() and plain.process.poll() is None:
                return plain
        return cls(job)

    def allow(self, cpu: int, memory: int) -> None:
        """Nothing but time limits it."""

    def grant(self, size: int, memory: int) -> None:
        """It has no shared memory."""

    def seconds(self) -> float:
        """Return 0: not every system tells."""
        return 0.0

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()

    def ending(self) -> Ending | None:
        """Kill it, and return how it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)  # its socket closes a little before it ends
        self.process.kill()
        return self.process.wait(), 0.0, 0

    def close(self, *, reusable: bool) -> None:
        """Keep it for the next file, or end it."""
        if reusable and not _idle:
            _idle.append(self)
            return
        self.link.sock.close()
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()


@atexit.register
def _end_idle() -> None:
    while _idle:
        _idle.pop().close(reusable=False)
