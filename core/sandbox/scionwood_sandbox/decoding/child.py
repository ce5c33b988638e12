"""Serve one parent: open readers, call their methods, send what they return."""

from __future__ import annotations

import contextlib
import importlib
import mmap
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, NoReturn, TextIO

from scionwood_sandbox import errors, settings
from scionwood_sandbox.decoding import arena, namespaces, sandbox, switch
from scionwood_sandbox.decoding.arena import Arena
from scionwood_sandbox.decoding.limits import lower
from scionwood_sandbox.decoding.protocol import Blocks, pack
from scionwood_sandbox.decoding.schema import RECORDS, TEXT, WARNINGS
from scionwood_sandbox.decoding.wire import Link, receive, send

CALL = "$call"
"""The first item of a triple that names a function of the parent, with its attributes."""

_OUT = "Use its other attributes, or read it inline if you trust the file"
_PASSED_ON = (UserWarning, RuntimeWarning)
_BATCH, _WAIT = 4 << 20, 0.02


def serve(sock: socket.socket, job: dict[str, Any], libraries: Iterable[str], apart: bool) -> None:
    """Restrict this process, then answer its parent until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = Link(sock, accepts=True)
    process_handle = os.pidfd_open(os.getpid())
    send(link, ["hello"], [process_handle])
    os.close(process_handle)
    try:
        if apart:
            namespaces.see_own_processes()
        walls = _restrict(sock, job, libraries)
    except OSError as error:
        send(link, ["failed", str(error)])
        os._exit(0)
    send(link, ["walls", walls + ["namespaces"] * apart])
    child = _Child(link, job)
    child.arena = Arena(child.more)
    arena.use(child.arena)
    child.run()


def serve_plain(descriptor: int | None) -> None:
    """Answer a parent, in a plain subprocess, until the parent is gone."""
    if sys.platform == "win32":
        link = Link(socket.fromshare(sys.stdin.buffer.read()))
    else:
        link = Link(socket.socket(fileno=descriptor))
    job = receive(link, largest=0, packages=())
    send(link, None)
    _Child(link, job).run()


def _restrict(sock: socket.socket, job: dict[str, Any], libraries: Iterable[str]) -> list[str]:
    """Set the limits, then close what the file does not need; none of it can be undone."""
    import resource  # POSIX alone has it

    for name in os.listdir("/proc/self/fd"):
        if int(name) not in (0, 1, 2, sock.fileno()):
            with contextlib.suppress(OSError):  # the folder itself
                os.close(int(name))
    for which, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_FSIZE, job["size"]),
    ):
        lower(which, limit)
    return sandbox.restrict(job, libraries) if job["sandbox"] else []


@dataclass
class _Stream:
    """An iterator of a reader, with an error that waits for the records before it."""

    items: Any
    error: Exception | None = None

    def next_batch(self) -> list[Any]:
        """Return the next records: one large one, or several small ones; none at the end."""
        if self.error is not None:
            raise self.error
        batch: list[Any] = []
        size, stop = 0, time.monotonic() + _WAIT
        try:
            while size < _BATCH and len(batch) < RECORDS and time.monotonic() < stop:
                item = next(self.items)
                batch.append(item)
                size += getattr(getattr(item, "data", item), "nbytes", 1 << 16)
        except StopIteration:
            pass
        except Exception as error:  # kept, and raised for the next batch
            if not batch:
                raise
            self.error = error
        return batch


@dataclass
class _Child:
    link: Link
    job: dict[str, Any]
    arena: Arena | None = None
    opened: dict[int, Any] = field(default_factory=dict)
    streams: dict[int, _Stream] = field(default_factory=dict)
    serial: int = 0
    warned: list[list[str]] = field(default_factory=list)

    def run(self) -> NoReturn:
        """Answer the parent until it is gone."""
        switch.enter_child()
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        for category in _PASSED_ON:
            warnings.simplefilter("always", category)
        warnings.showwarning = self.note_warning
        with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
            while True:
                self.answer_one()
        os._exit(0)

    def answer_one(self) -> None:
        operation, *args = self._receive()
        try:
            answer = ["value", getattr(self, f"do_{operation}")(*args)]
        except BaseException as error:  # a decoder of others may raise anything
            answer = _described(error)
            if answer[0] == "index" and operation != "call":  # not one that the caller gave
                answer = ["foreign", "IndexError", answer[1]]
        if self.warned:
            self._send(["warnings", self.warned])
            self.warned.clear()
        try:
            self._send(answer)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # the answer is no plain data, or memory is short
            self._send(_described(error))

    def more(self, size: int) -> tuple[int, mmap.mmap] | None:
        """Ask the parent for a block of memory that both see."""
        if threading.current_thread() is not threading.main_thread():
            return None  # the main thread may be in the middle of a message
        self._send(["memory", size])
        block = self._receive()
        if block is None:
            return None
        file = self.link.passed.pop()
        try:
            return block, mmap.mmap(file, size)
        finally:
            os.close(file)

    def note_warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        name = next(base.__name__ for base in category.__mro__ if base in _PASSED_ON)
        if len(self.warned) < WARNINGS:
            self.warned.append([name, str(message)[:TEXT]])

    def _send(self, message: list[Any]) -> None:
        send(self.link, message, arena=self.arena, inline=self.arena is None)

    def _receive(self) -> Any:
        freed, request = receive(self.link, largest=self.job["size"], packages=self.job["packages"])
        if self.arena is not None:
            self.arena.give_back(freed)
        return request

    def do_open(
        self, handle: int, home: list[str], path: Path, options: dict[str, Any], folder: str
    ) -> list[Any]:
        os.chdir(folder)
        reader = self.opened[handle] = resolve_attribute(home)(path, **options)
        return [_plain(vars(reader)), len(reader)]

    def do_function(
        self, home: list[str], path: Path, args: list[Any], options: dict[str, Any], folder: str
    ) -> dict[str, Any]:
        os.chdir(folder)
        return self._result(resolve_attribute(home)(path, *args, **options))

    def do_learn(self, home: list[str], folder: str) -> list[str]:
        """Return the modules that this process holds after a reader read its own samples."""
        cls = resolve_attribute(home)
        for suffix in cls.suffixes:
            path = Path(folder) / f"sample{suffix}"
            # An extra is missing, or an option is required: what was imported so far is enough.
            with contextlib.suppress(errors.RuleError, ImportError, TypeError):
                cls.write_sample(path)
                with cls(path) as reader:
                    for _ in reader:
                        pass
        return sorted(name for name in list(sys.modules) if name[0] != "_" and name != "__main__")

    def do_get(self, handle: int, name: str) -> Any:
        value = getattr(self.opened[handle], name)
        if not _is_plain(value):
            raise errors.ReadError(
                f"{name} of a reader", "it stays in the child that decodes", _OUT
            )
        return value

    def do_has(self, handle: int, name: str) -> bool:
        return hasattr(self.opened[handle], name)

    def do_call(
        self, handle: int, name: str, args: list[Any], options: dict[str, Any]
    ) -> dict[str, Any]:
        reader = self.opened[handle]
        values = [
            _Function(self, reader, *value[1:]) if _is_call(value) else value for value in args
        ]
        return self._result(getattr(reader, name)(*values, **options))

    def _result(self, out: Any) -> dict[str, Any]:
        if not hasattr(out, "__next__"):
            return {"value": out}
        self.serial += 1
        self.streams[self.serial] = _Stream(out)
        return {"stream": self.serial}

    def do_next(self, stream: int) -> list[Any]:
        batch = self.streams[stream].next_batch()
        if not batch:
            del self.streams[stream]
        return batch

    def do_stop(self, stream: int) -> None:
        self.streams.pop(stream, None)

    def do_reset(self) -> None:
        """Forget everything, before another file of a parent that has no other child."""
        for handle in list(self.opened):
            self.do_close(handle)
        self.streams.clear()

    def do_close(self, handle: int) -> None:
        reader = self.opened.pop(handle, None)
        if reader is not None:
            reader.close()

    def call(self, name: str, *args: Any) -> Any:
        """Call a function of the parent."""
        self._send(["callback", name, *args])
        word, content = self._receive()
        if word == "stop":
            raise {"WriteError": errors.WriteError, "OSError": OSError}.get(content, _Stopped)(
                content
            )
        return content


class _Function:
    """A function of the parent, with the attributes that it has there."""

    def __init__(self, child: _Child, reader: Any, name: str, values: dict[str, Any]) -> None:
        self._child, self._reader, self._name = child, reader, name
        vars(self).update(values)

    def __call__(self, *args: Any) -> Any:
        numbers = {
            name: value
            for name, value in vars(self._reader).items()
            if name[0] != "_" and isinstance(value, bool | int | float)
        }
        return self._child.call(self._name, numbers, *args)


class _Stopped(BaseException):
    """The function of the parent was stopped, by Ctrl-C or an error of its own."""


def _is_call(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and value[0] == CALL


def resolve_attribute(home: list[str]) -> Any:
    """Return the object of a module and a dotted name in it."""
    module, name = home
    return reduce(getattr, name.split("."), importlib.import_module(module))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return the public values that can be sent."""
    return {name: value for name, value in values.items() if name[0] != "_" and _is_plain(value)}


def _is_plain(value: Any) -> bool:
    try:
        pack(value, Blocks())
    except (TypeError, RecursionError):
        return False
    return True


def _described(error: BaseException) -> list[Any]:
    """Return an error as a message; one of ours keeps its parts and its nearest public class."""
    if isinstance(error, errors.RuleError):
        public_names = settings.error_types
        names = (base.__name__ for base in type(error).__mro__ if base.__name__ in public_names)
        parts = (error.value, error.rule, error.remedy)
        return ["error", next(names), *(str(part)[:TEXT] for part in parts)]
    if isinstance(error, IndexError):
        return ["index", str(error)[:TEXT]]
    return ["foreign", type(error).__name__, str(error)[:TEXT]]
