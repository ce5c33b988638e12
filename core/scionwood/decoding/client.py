"""Ask the zygote for a child, and talk with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from scionwood import errors
from scionwood.decoding.control import TRUST, forget, hand_over
from scionwood.decoding.limits import Limits, extra_seconds
from scionwood.decoding.wire import Seen, receive, send
from scionwood.errors import ReadError, ScionwoodError

_WARNINGS = {"UserWarning": UserWarning, "RuntimeWarning": RuntimeWarning}
STOPS: dict[str, type[BaseException]] = {"WriteError": ScionwoodError, "OSError": OSError}
"""The errors of a function of the parent that its child tells apart."""

_AGAIN = f"Get the file again. {TRUST}"


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
        self.sock, self.status, self.handle = hand_over(modules, {**job, "packages": self.packages})
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
            raise self._error(f"it needs more memory than {self.limits.memory >> 20} MiB", TRUST)
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

    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        # At the end of the interpreter the names of this module are gone.
        if not ending() and hasattr(self, "closed"):
            self.close()
