"""Serve one parent: open readers, call their methods, send what they return."""

from __future__ import annotations

import importlib
import math
import os
import signal
import socket
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, TextIO

from scionwood import errors
from scionwood.decoding import arena, sandbox, switch
from scionwood.decoding.limits import extra_memory, extra_seconds
from scionwood.decoding.protocol import Blocks, pack
from scionwood.decoding.wire import receive, send

CALL = "$call"
"""The first item of a triple that names a function of the parent, with its attributes."""

_TEXT = 2000
_OUT = "Use its other attributes, or set SCIONWOOD_READERS=inline if you trust the file"
_PASSED_ON = (UserWarning, RuntimeWarning)
_WARNINGS = 20  # for one answer
_BATCH, _RECORDS, _WAIT = 4 << 20, 64, 0.02


def serve(sock: socket.socket, job: dict[str, Any], libraries: Iterable[str]) -> None:
    """Restrict this process, then answer its parent until the parent is gone.

    Args:
        sock: the stream socket that leads to the parent.
        job: what the parent allows: `cpu`, `memory`, `size`, `read`, `write` and `sandbox`.
        libraries: folders and files that decoders may read.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    switch.enter_child()
    own = os.pidfd_open(os.getpid())
    send(sock, ["hello"], [own])
    os.close(own)
    held = _data_size()
    _restrict(job, libraries)
    child = _Child(sock, job, held)
    arena.use(child.arena)
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    for category in _PASSED_ON:
        warnings.simplefilter("always", category)
    warnings.showwarning = child.note_warning
    try:
        while True:
            child.answer_one()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)


def _restrict(job: dict[str, Any], libraries: Iterable[str]) -> None:
    """Set the limits, then close what the file does not need; none of it can be undone."""
    import resource  # POSIX alone has it

    bounds = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 256)]
    bounds += [(resource.RLIMIT_FSIZE, job["size"])]
    for which, most in bounds:
        resource.setrlimit(which, (most, most))
    if job["sandbox"]:
        sandbox.restrict_files([*libraries, *job["read"]], job["write"])
        sandbox.restrict_calls(writing=bool(job["write"]))


def _data_size() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData"))


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
            while size < _BATCH and len(batch) < _RECORDS and time.monotonic() < stop:
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
    sock: socket.socket
    job: dict[str, Any]
    held: int
    arena: arena.Arena = field(default_factory=arena.Arena)
    opened: dict[int, Any] = field(default_factory=dict)
    streams: dict[int, _Stream] = field(default_factory=dict)
    serial: int = 0
    largest: int = -1
    warned: list[list[str]] = field(default_factory=list)

    def answer_one(self) -> None:
        size, operation, *held = self._receive()
        self._allow(size)
        try:
            answer = ["value", getattr(self, f"do_{operation}")(*held)]
        except BaseException as error:  # a decoder of others may raise anything
            answer = _described(error)
        if self.warned:
            self._send(["warnings", self.warned])
            self.warned.clear()
        try:
            self._send(answer)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # the answer is no plain data, or memory is short
            self._send(_described(error))

    def _allow(self, size: int) -> None:
        """Set what a request on a file of `size` bytes may use."""
        import resource  # POSIX alone has it

        used = math.ceil(time.process_time())
        cpu = used + self.job["cpu"] + extra_seconds(size)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, resource.RLIM_INFINITY))
        if size > self.largest:
            self.largest = size
            # RLIMIT_AS would refuse to map a file of 20 GB, which takes no memory.
            most = self.held + self.job["memory"] + extra_memory(size)
            resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))

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
        if len(self.warned) < _WARNINGS:
            self.warned.append([name, str(message)[:_TEXT]])

    def _send(self, message: list[Any]) -> None:
        send(self.sock, message, arena=self.arena)

    def _receive(self) -> Any:
        (freed, request), _ = receive(
            self.sock, largest=self.job["size"], packages=self.job["packages"]
        )
        self.arena.give_back(freed)
        return request

    def do_open(
        self, handle: int, home: list[str], path: Path, options: dict[str, Any], folder: str
    ) -> list[Any]:
        os.chdir(folder)
        reader = self.opened[handle] = found(home)(path, **options)
        return [_plain(vars(reader)), len(reader)]

    def do_function(
        self, home: list[str], path: Path, given: list[Any], options: dict[str, Any], folder: str
    ) -> dict[str, Any]:
        os.chdir(folder)
        return self._result(found(home)(path, *given, **options))

    def do_learn(self, home: list[str], folder: str) -> list[str]:
        from scionwood.decoding.learning import imported_by

        return imported_by(found(home), Path(folder))

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
        self, handle: int, name: str, given: list[Any], options: dict[str, Any]
    ) -> dict[str, Any]:
        reader = self.opened[handle]
        values = [
            _Function(self, reader, *value[1:]) if _is_call(value) else value for value in given
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

    def do_close(self, handle: int) -> None:
        reader = self.opened.pop(handle, None)
        if reader is not None:
            reader.close()

    def call(self, name: str, *given: Any) -> Any:
        """Call a function of the parent."""
        self._send(["callback", name, *given])
        word, held = self._receive()
        if word == "stop":
            raise {"WriteError": errors.WriteError, "OSError": OSError}.get(held, _Stopped)(held)
        return held


class _Function:
    """A function of the parent, with the attributes that it has there."""

    def __init__(self, child: _Child, reader: Any, name: str, values: dict[str, Any]) -> None:
        self._child, self._reader, self._name = child, reader, name
        vars(self).update(values)

    def __call__(self, *given: Any) -> Any:
        numbers = {
            name: value
            for name, value in vars(self._reader).items()
            if name[0] != "_" and isinstance(value, bool | int | float)
        }
        return self._child.call(self._name, numbers, *given)


class _Stopped(BaseException):
    """The function of the parent was stopped, by Ctrl-C or an error of its own."""


def _is_call(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and value[0] == CALL


def found(home: list[str]) -> Any:
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
    if isinstance(error, errors.ScionwoodError):
        names = (base.__name__ for base in type(error).__mro__ if hasattr(errors, base.__name__))
        return ["error", next(names), error.value, error.rule, error.remedy]
    if isinstance(error, IndexError):
        return ["index", str(error)[:_TEXT]]
    return ["foreign", type(error).__name__, str(error)[:_TEXT]]
