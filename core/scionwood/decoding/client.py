"""Ask the zygote for a child, and talk with it."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from scionwood import errors
from scionwood.decoding.limits import Limits, extra_seconds
from scionwood.decoding.wire import Seen, receive, send
from scionwood.errors import ReadError, ScionwoodError

_KEPT = {"PATH", "LANG", "LC_ALL", "HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"}
_KEPT |= {"SCIONWOOD_READERS_DEBUG"}
_THREADS = ("OMP", "OPENBLAS", "MKL", "BLOSC", "NUMEXPR")
_WARNINGS = {"UserWarning": UserWarning, "RuntimeWarning": RuntimeWarning}
STOPS: dict[str, type[BaseException]] = {"WriteError": ScionwoodError, "OSError": OSError}
"""The errors of a function of the parent that its child tells apart."""

_CHUNK = 500  # modules in one message
_START = 300  # seconds: the zygote may import large libraries first
_TRUST = "If you trust the file, read it with SCIONWOOD_READERS=inline"
_AGAIN = f"Get the file again. {_TRUST}"


class _Control:
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
        fresh = sorted(set(modules) - self.told)
        for start in range(0, len(fresh), _CHUNK):
            job = {"modules": fresh[start : start + _CHUNK], "path": sys.path}
            self.sock.sendall(json.dumps(job).encode())
        self.told |= set(fresh)

    def close(self) -> None:
        self.sock.close()
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()


_control: _Control | None = None
_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()  # another thread may have held it at the fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def _connected() -> _Control:
    global _control
    with _lock:
        _control = _control or _Control()
        return _control


def forget(control: _Control | None = None) -> None:
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


class Channel:
    """The connection with one child.

    Args:
        path: the file or folder, for messages.
        kind: the format, for messages.
        modules: what the child needs imported.
        package: the reader's package, whose frozen dataclasses may be sent.
        read: what the child may open, absolute.
        write: folders in which it may write, absolute.
        limits: how much it may use.
        restricted: false for files of our own, to learn from.
    """

    def __init__(
        self,
        path: str,
        kind: str,
        modules: Collection[str],
        *,
        package: str,
        read: Sequence[str] = (),
        write: Sequence[str] = (),
        limits: Limits | None = None,
        restricted: bool = True,
    ) -> None:
        self.path, self.kind, self.limits = path, kind, limits or Limits()
        self.packages, self.modules = ("scionwood", package), frozenset(modules)
        job = {"read": list(read), "write": list(write), "sandbox": restricted}
        job |= {"cpu": self.limits.cpu, "memory": self.limits.memory, "size": self.limits.size}
        self.sock, self.status, self.handle = _hand_over(
            modules, {**job, "packages": self.packages}
        )
        self.owner, self.lock, self.seen = os.getpid(), threading.RLock(), Seen()
        self.cause: tuple[str, str] | None = None
        self.warned: list[list[str]] = []
        self.closed, self.opened = False, 0

    @property
    def is_ours(self) -> bool:
        """Whether this process made it, and it is open."""
        return self.owner == os.getpid() and not self.closed

    def ask(
        self, *request: Any, size: int = 0, calls: Mapping[str, Callable[..., Any]] | None = None
    ) -> Any:
        """Return the child's answer to a request.

        Args:
            request: the operation and what it takes.
            size: bytes of the file, which prolong the wait.
            calls: functions that the child may call.

        Raises:
            ReadError: the file, the format, and why the child failed.
            ScionwoodError: what the reader itself raised.
        """
        with self.lock:
            if self.cause:
                raise self._error(*self.cause)
            self.sock.settimeout(self.limits.wall + extra_seconds(size))
            try:
                self._send([size, *request])
                return self._answer(calls or {})
            except (KeyboardInterrupt, SystemExit):
                self._kill("its reader was interrupted")  # an answer may be under way
                raise
            finally:
                warned, self.warned = self.warned, []
                for name, text in warned:
                    warnings.warn(str(text), _WARNINGS.get(name, UserWarning), stacklevel=3)

    def _send(self, request: list[Any]) -> None:
        # A child that is gone is reported by the answer.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            send(self.sock, [self.seen.take_freed(), request])

    def _answer(self, calls: Mapping[str, Callable[..., Any]]) -> Any:
        stopped: BaseException | None = None
        while True:
            try:
                word, *held = self._receive()
            except ReadError:
                if stopped is not None:
                    raise stopped from None
                raise
            if word == "callback":
                stopped = self._call(calls[held[0]], held[1:])
            elif word == "warnings":
                self.warned += held[0]
            elif stopped is not None:
                raise stopped
            else:
                return self._understood(word, held)

    def _call(self, function: Callable[..., Any], given: list[Any]) -> BaseException | None:
        """Answer a call of the child; an error is returned, and the child ends what it does."""
        try:
            self._send(["value", function(*given)])
        except BaseException as error:  # raised when the child has put its files in order
            kind = next((name for name, cls in STOPS.items() if isinstance(error, cls)), "")
            self._send(["stop", kind])
            return error
        return None

    def _receive(self) -> list[Any]:
        limit = self.limits
        try:
            value, passed = receive(
                self.sock, largest=limit.size, packages=self.packages, seen=self.seen
            )
            for descriptor in passed:
                os.close(descriptor)
            return list(value)
        except (EOFError, ConnectionResetError):
            raise self._dead() from None
        except TimeoutError:
            raise self._kill(f"its reader gave no answer for {limit.wall} s and more") from None
        except Exception as error:  # whatever is wrong with a message
            raise self._kill(f"its reader sent what no reader sends ({error})") from None

    def _understood(self, word: str, held: list[Any]) -> Any:
        if word == "value":
            return held[0]
        if word == "index":
            raise IndexError(held[0])
        if word == "error":
            cls = getattr(errors, held[0], ReadError)
            raise cls(*map(str, held[1:]))
        name, text = map(str, held)
        if name == "MemoryError" or "allocate" in text:
            raise self._error(f"it needs more memory than {self.limits.memory >> 20} MiB", _TRUST)
        raise self._error(f"its reader failed ({name}: {text})", _AGAIN)

    def _error(self, rule: str, remedy: str) -> ReadError:
        return ReadError(self.path, f"{self.kind}: {rule}", remedy)

    def _dead(self) -> ReadError:
        """Return why the child ended, as the zygote tells."""
        told = os.read(self.status, 400)
        if not told:
            forget()
            return self._ended("the reader service ended", "Try again: it starts anew")
        code, cpu, peak = json.loads(told)
        used = f"after {cpu:.1f} s of CPU, at {peak >> 20} MiB"
        if not os.WIFSIGNALED(code):
            rule = f"its decoder ended with status {os.waitstatus_to_exitcode(code)} {used}"
        elif os.WTERMSIG(code) == signal.SIGXCPU:
            rule = f"decoding took more than {self.limits.cpu} s of CPU, and was ended {used}"
        else:
            rule = f"its decoder died of {signal.Signals(os.WTERMSIG(code)).name} {used}"
        return self._ended(rule, _AGAIN)

    def _ended(self, rule: str, remedy: str) -> ReadError:
        self.cause = rule, remedy
        return self._error(rule, remedy)

    def _kill(self, rule: str) -> ReadError:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        return self._ended(rule, _AGAIN)

    def close(self) -> None:
        """End the child and close what leads to it. A forked process only closes."""
        if self.closed:
            return
        self.closed = True
        if self.owner == os.getpid():
            self._kill("its reader is closed")
        os.close(self.handle)
        os.close(self.status)
        self.sock.close()

    def __del__(self) -> None:
        if hasattr(self, "closed") and not sys.is_finalizing():
            self.close()


def _hand_over(modules: Collection[str], job: dict[str, Any]) -> tuple[socket.socket, int, int]:
    """Give a job to the zygote: return the socket, the status pipe and the handle of its child."""
    for attempt in (1, 2):
        mine, its = socket.socketpair()
        status, told = os.pipe()
        control = _connected()
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
                    "the reader service", f"it does not start ({error})", _TRUST
                ) from error
    raise AssertionError("two attempts end by a return or an error")
