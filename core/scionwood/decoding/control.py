"""Start the zygote, and hand it the jobs of children."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Collection
from typing import Any

from scionwood.errors import ReadError

_KEPT = {"PATH", "LANG", "LC_ALL", "HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"}
_KEPT |= {"SCIONWOOD_READERS_DEBUG"}
_THREADS = ("OMP", "OPENBLAS", "MKL", "BLOSC", "NUMEXPR")
_CHUNK = 500  # modules in one message
_START = 300  # seconds: the zygote may import large libraries first
TRUST = "If you trust the file, read it with SCIONWOOD_READERS=inline"
"""The remedy of errors of the service itself."""


class Control:
    """The socket of one zygote, and what it was told to import."""

    def __init__(self) -> None:
        self.sock, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        code = f"import sys; sys.path[:] = {sys.path!r}\nfrom scionwood.decoding import zygote\n"
        environment = {name: value for name, value in os.environ.items() if name in _KEPT}
        environment |= {f"{name}_NUM_THREADS": "1" for name in _THREADS}
        environment |= {"BLOSC_NTHREADS": "1", "NUMEXPR_MAX_THREADS": "1"}
        # Arrow's own allocator reserves a gigabyte, which the limit of a child would refuse.
        environment |= {"ARROW_DEFAULT_MEMORY_POOL": "system"}
        # Pages stay with a child between records: page faults fell from 28,000 to 0.
        environment |= {"MALLOC_TRIM_THRESHOLD_": str(256 << 20), "MALLOC_ARENA_MAX": "2"}
        environment |= {"MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
        with its:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"{code}zygote.run({its.fileno()})"],
                pass_fds=[its.fileno()],
                env=environment,
                start_new_session=True,
            )
        self.owner = os.getpid()
        self.told: set[str] = set()

    def warm(self, modules: Collection[str]) -> None:
        """Let it import modules that it was not told to import before."""
        fresh = sorted(set(modules) - self.told)
        for start in range(0, len(fresh), _CHUNK):
            job = {"modules": fresh[start : start + _CHUNK], "path": sys.path}
            self.sock.sendall(json.dumps(job).encode())
        self.told |= set(fresh)

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
    """Leave the zygote; the next file starts a new one.

    Args:
        control: leave only this one.
    """
    global _control
    with _lock:
        if _control is not None and control in (None, _control):
            _control.close()
            _control = None


atexit.register(forget)


def hand_over(modules: Collection[str], job: dict[str, Any]) -> tuple[socket.socket, int, int]:
    """Give a job to the zygote: return the socket, the status pipe and the handle of its child."""
    from scionwood.decoding.wire import receive  # needs numpy, which refusals do without

    for attempt in (1, 2):
        mine, its = socket.socketpair()
        status, told = os.pipe()
        control = connected()
        try:
            with its, open(told, "wb"), _lock:
                control.warm(modules)
                socket.send_fds(control.sock, [json.dumps(job).encode()], [its.fileno(), told])
            mine.settimeout(_START)
            _, (handle,) = receive(mine, largest=0, packages=())  # before it opens the file
            return mine, status, handle
        except (OSError, EOFError) as error:  # the zygote is gone: once more, with a new one
            mine.close()
            os.close(status)
            forget(control)
            if attempt == 2:
                raise ReadError(
                    "the reader service", f"it does not start ({error})", TRUST
                ) from error
    raise AssertionError("two attempts end by a return or an error")
