"""Start a child, and talk with it. It is not trusted: every answer is checked."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from scionwood_sandbox import settings
from scionwood_sandbox.decoding import schema, switch
from scionwood_sandbox.decoding.control import remedy, trust
from scionwood_sandbox.decoding.limits import Limits, extra_memory, extra_seconds
from scionwood_sandbox.decoding.process import Forked, Plain
from scionwood_sandbox.decoding.wire import receive, send
from scionwood_sandbox.errors import ReadError, RuleError, visible

_WARNINGS = {"UserWarning": UserWarning, "RuntimeWarning": RuntimeWarning}
STOPS: dict[str, type[BaseException]] = {"WriteError": RuleError, "OSError": OSError}
"""The errors of a function of the parent that its child tells apart."""


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
        self.packages, self.modules = (*settings.packages, package), frozenset(modules)
        job = {"read": list(read), "write": list(write), "sandbox": restricted}
        job |= {"size": self.limits.size, "packages": self.packages}
        self.process = Forked(modules, job) if switch.walled() else Plain.start(job)
        self.owner, self.lock = os.getpid(), threading.RLock()
        self.cause: tuple[str, str] | None = None
        self.warned: list[list[str]] = []
        self.closed, self.opened, self.largest = False, 0, 0
        if restricted:
            try:
                switch.report(self.process.walls)
            except ReadError:
                self.close()
                raise

    @property
    def is_ours(self) -> bool:
        """Whether this process made it, and it is open."""
        return self.owner == os.getpid() and not self.closed

    def ask(
        self, *request: Any, size: int = 0, calls: Mapping[str, Callable[..., Any]] | None = None
    ) -> Any:
        """Return the child's answer to a request."""
        with self.lock:
            if self.cause:
                raise self._error(*self.cause)
            self.largest = max(size, self.largest)
            seconds = extra_seconds(size, whole=bool(calls))
            deadline = time.monotonic() + self.limits.wall + seconds
            try:
                with self._failures():
                    self.process.link.deadline = deadline
                    self.process.allow(self.limits.cpu + seconds, self._memory)
                    self._send(list(request))
                    stopped, word, parts = self._answer(request[0], calls or {}, deadline)
            finally:
                warned, self.warned = self.warned, []
                for name, text in warned:
                    category = _WARNINGS.get(name, UserWarning)
                    warnings.warn(visible(text), category, stacklevel=3)
            if stopped is not None:
                raise stopped
            return self._understood(word, parts)

    @property
    def _memory(self) -> int:
        return self.limits.memory + extra_memory(self.largest)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """End the child after any failure of the connection, and say why."""
        try:
            yield
        except (EOFError, BrokenPipeError, ConnectionResetError, ProcessLookupError):
            raise self._dead() from None
        except TimeoutError:
            rule = f"its reader gave no answer for {self.limits.wall} s and more"
            raise self._kill(rule) from None
        except schema.ForgedError as error:
            rule = f"the decoder answered outside of the protocol ({error})"
            raise self._kill(rule) from None
        except OSError as error:
            raise self._kill(f"its decoder cannot be controlled ({error})") from error
        except (KeyboardInterrupt, SystemExit):
            self._kill("its reader was interrupted")  # an answer may be under way
            raise

    def _send(self, request: Any) -> None:
        grants = self.process.grants
        freed = grants.take_freed() if grants else []
        send(self.process.link, [freed, request], inline=not self.process.shares)

    def _answer(
        self, operation: str, calls: Mapping[str, Callable[..., Any]], deadline: float
    ) -> tuple[BaseException | None, str, list[Any]]:
        """Return the error of a function of the parent, or the answer."""
        stopped: BaseException | None = None
        while True:
            try:
                word, parts = self._receive(operation, calls)
            except (EOFError, ConnectionResetError):
                if stopped is not None:
                    return stopped, "", []
                raise
            if word == "memory":
                self._grant(parts[0])
            elif word == "callback":
                start = time.monotonic()
                answer, stopped = self._called(calls[parts[0]], parts[1:])
                deadline += time.monotonic() - start
                self.process.link.deadline = deadline
                self._send(answer)
            elif word == "warnings":
                if self.warned:
                    raise schema.ForgedError("warnings, twice")
                self.warned += parts[0]
            else:
                return stopped, word, parts

    def _receive(self, operation: str, calls: Collection[str]) -> tuple[str, list[Any]]:
        process = self.process
        try:
            message = receive(
                process.link, largest=self.limits.size, packages=self.packages,
                grants=process.grants,
            )  # fmt: skip
        except (EOFError, OSError):
            raise
        except Exception as error:  # whatever is wrong with a message
            raise schema.ForgedError(str(error)[:200]) from None
        return schema.check(message, operation, calls)

    def _grant(self, size: int) -> None:
        allocation = self.process.grant(size, self._memory) if size <= self.limits.size else None
        block, file = allocation or (None, None)
        try:
            send(self.process.link, [[], block], [] if file is None else [file], inline=True)
        finally:
            if file is not None:
                os.close(file)

    @staticmethod
    def _called(
        function: Callable[..., Any], args: list[Any]
    ) -> tuple[list[Any], BaseException | None]:
        """Return what to tell a child that calls; an error ends what the child does."""
        try:
            return ["value", function(*args)], None
        except schema.ForgedError:
            raise
        except BaseException as error:  # raised when the child has put its files in order
            kind = next((name for name, cls in STOPS.items() if isinstance(error, cls)), "")
            return ["stop", kind], error

    def _understood(self, word: str, parts: list[Any]) -> Any:
        if word == "value":
            return parts[0]
        if word == "index":
            raise IndexError(parts[0])
        if word == "error":
            raise settings.error_types[parts[0]](*parts[1:])
        name, text = parts
        if name == "MemoryError" or "allocate" in text:
            rule = f"it needs more memory than {self.limits.memory >> 20} MiB"
            raise self._error(rule, remedy(trust()))
        raise self._error(
            f"its reader failed ({name}: {text})", remedy(f"Get the file again. {trust()}")
        )

    def forged(self, what: str) -> ReadError:
        """End the child, because an answer of a right form cannot be true; return the error."""
        return self._kill(f"the decoder answered outside of the protocol ({what})")

    def _error(self, rule: str, remedy: str) -> ReadError:
        return ReadError(self.path, f"{self.kind}: {rule}", remedy)

    def _dead(self) -> ReadError:
        ending = self.process.ending()
        if ending is None:
            return self._ended("the reader service ended", "Try again: it starts anew")
        code, cpu, peak = ending
        used = f" after {cpu:.1f} s of CPU, at {peak >> 20} MiB" if peak else ""
        name = signal.Signals(-code).name if code < 0 else ""
        if name == "SIGXCPU":
            rule = f"decoding took more than {self.limits.cpu} s of CPU, and was ended{used}"
        elif name:
            rule = f"its decoder died of {name}{used}"
        else:
            rule = f"its decoder ended with status {code}{used}"
        return self._ended(rule, remedy(f"Get the file again. {trust()}"))

    def _ended(self, rule: str, remedy: str) -> ReadError:
        self.cause = rule, remedy
        return self._error(rule, remedy)

    def _kill(self, rule: str) -> ReadError:
        if not self.closed:
            self.process.kill()
        return self._ended(rule, remedy(f"Get the file again. {trust()}"))

    def close(self) -> None:
        """End the child and close what leads to it. A forked process only closes."""
        if self.closed:
            return
        reusable = not self.process.shares and self.is_ours and not self.cause
        if reusable:
            try:
                self.ask("reset")
            except ReadError:
                reusable = False
        if self.owner == os.getpid() and not reusable:
            self._kill("its reader is closed")
        self.closed = True
        self.process.close(reusable=reusable)

    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        # At the end of the interpreter the names of this module are gone.
        if not ending() and hasattr(self, "warned"):
            self.close()
