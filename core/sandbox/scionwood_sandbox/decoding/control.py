"""Start the zygote, and hand it the jobs of children."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from typing import Any

from scionwood_sandbox import settings
from scionwood_sandbox.decoding.limits import tight
from scionwood_sandbox.errors import ReadError

_PASSED_VARIABLES = {"PATH", "LANG", "LC_ALL", "HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"}
_PASSED_VARIABLES |= {"SANDBOX_DEBUG", "SANDBOX_TEST_WITHOUT"}
_PASSED_VARIABLES |= {
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "LOCALAPPDATA",
    "DYLD_LIBRARY_PATH",
}  # macOS and Windows
_THREADS = ("OMP", "OPENBLAS", "MKL", "BLOSC", "NUMEXPR")
_CHUNK = 500  # modules in one message
START = 300
"""Seconds until a child is ready: large libraries may be imported first."""


def trust() -> str:
    """Return the remedy of errors of the service itself."""
    return f"If you trust the file, read it with {settings.inline()}"


def remedy(usual: str) -> str:
    """Return what to do about a failure: a limit of the shell may be its cause, not the file."""
    shell = tight()
    return f"{shell}: raise that, if it is the cause. Else: {usual}" if shell else usual


def environment() -> dict[str, str]:
    """Return the variables for a process that decodes: no secret, and one thread a library."""
    variables = {name: value for name, value in os.environ.items() if name in _PASSED_VARIABLES}
    variables |= {f"{name}_NUM_THREADS": "1" for name in _THREADS}
    variables |= {"BLOSC_NTHREADS": "1", "NUMEXPR_MAX_THREADS": "1"}
    # Arrow's own allocator reserves a gigabyte, which the limit of a child would refuse.
    variables |= {"ARROW_DEFAULT_MEMORY_POOL": "system"}
    # Pages stay with a child between records: page faults fell from 28,000 to 0.
    variables |= {"MALLOC_TRIM_THRESHOLD_": str(256 << 20), "MALLOC_ARENA_MAX": "2"}
    return variables | {"MALLOC_MMAP_THRESHOLD_": str(32 << 20)}


class Control:
    """The socket of one zygote, and what it was told to import."""

    def __init__(self) -> None:
        self.sock, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        code = f"import sys; sys.path[:] = {sys.path!r}\n"
        code += "from scionwood_sandbox.decoding import zygote\n"
        with its:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"{code}zygote.run({its.fileno()})"],
                pass_fds=[its.fileno()],
                env=environment(),
                start_new_session=True,
            )
        self.owner = os.getpid()
        self.told: set[str] = set()

    def warm(self, modules: Collection[str]) -> None:
        """Let it import modules that it was not told to import before."""
        new_modules = sorted(set(modules) - self.told)
        for start in range(0, len(new_modules), _CHUNK):
            job = {"modules": new_modules[start : start + _CHUNK], "path": sys.path}
            self.sock.sendall(json.dumps(job).encode())
        self.told |= set(new_modules)

    def close(self) -> None:
        """End it, unless another process started it."""
        self.sock.close()
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()


_control: Control | None = None
_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()  # another thread may have held it at the fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def connected() -> Control:
    """Return the zygote of this process and those it was forked from; start it if need be."""
    global _control
    with _lock:
        _control = _control or Control()
        return _control


def warm(modules: Collection[str]) -> None:
    """Let the zygote import modules; nobody waits for it."""
    control = connected()
    try:
        with _lock:
            control.warm(modules)
    except OSError:  # it is gone: the first file starts another
        forget(control)


def forget(control: Control | None = None) -> None:
    """Leave the zygote; the next file starts a new one."""
    global _control
    with _lock:
        if _control is not None and control in (None, _control):
            _control.close()
            _control = None


atexit.register(forget)


def hand_over(
    modules: Collection[str], job: dict[str, Any]
) -> tuple[socket.socket, int, int, list[str]]:
    """Give a job to the zygote."""
    from scionwood_sandbox.decoding.wire import (  # need numpy, which refusals do without
        Link,
        receive,
    )

    for attempt in (1, 2):
        mine, its = socket.socketpair()
        status, status_writer = os.pipe()
        control, link = connected(), Link(mine, accepts=True)
        try:
            with its, open(status_writer, "wb"), _lock:
                control.warm(modules)
                socket.send_fds(
                    control.sock, [json.dumps(job).encode()], [its.fileno(), status_writer]
                )
            link.deadline = time.monotonic() + START
            # All this comes before the child opens the file.
            receive(link, largest=0, packages=())
            word, walls = receive(link, largest=0, packages=())
            if word == "walls":
                return mine, status, link.passed[0], walls
            rule = f"its child cannot be restricted ({walls})"
        except (OSError, EOFError) as error:  # the zygote is gone: once more, with a new one
            forget(control)
            rule = f"it does not start ({type(error).__name__} {error})"
            word = "" if attempt == 1 else "failed"
        for descriptor in (mine.detach(), status, *link.passed):
            os.close(descriptor)
        if word:
            break
    raise ReadError("the reader service", rule, remedy(trust()))
