"""Give a reader whose decoding happens in a child: an object of a subclass of the reader."""

from __future__ import annotations

import dis
import os
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

from scionwood_sandbox.decoding.calls import open_channel, result
from scionwood_sandbox.decoding.client import Channel
from scionwood_sandbox.decoding.naming import home_of, size_of
from scionwood_sandbox.decoding.rewriting import rewrite_in_child

Kind = TypeVar("Kind")

_ALWAYS = ("read",)


def open_in_child(cls: type[Kind], path: str | Path, **options: object) -> Kind:
    """Open a file with a reader whose decoding happens in a restricted child process.

    The child can open the file alone, or what lies in its folder if the reader says `beside`.
    Inside `with Session(folder)` one child serves all files below the folder.

    Args:
        cls: a class of readers, which its module can be imported for.
        path: the file or folder.
        options: the configuration of the reader.

    Returns:
        An object of a subclass of `cls`. What `cls.remote` names runs in the child. On systems
        other than Linux that is a plain subprocess, without restrictions.

    Raises:
        ReadError: the file is not what its format asks, or decoding it killed or stalled the child.

    Example:
        >>> from pathlib import Path
        >>> import scionwood
        >>> from scionwood_sandbox import open_in_child
        >>> segy = scionwood.load("readers", "seismic/segy")
        >>> segy.write_sample(Path("shot.sgy"))
        >>> with open_in_child(segy, "shot.sgy") as reader:
        ...     next(iter(reader)).data.shape
        (24, 64)
    """
    kind: Any = cls
    reader: Any = object.__new__(remote_class(kind))
    reader.__init__(path, **options)
    opened: Kind = reader
    return opened


@cache
def remote_class(cls: Any) -> Any:
    """Return the subclass of a reader whose objects ask a child."""
    names = [*_ALWAYS, *cls.remote]
    body: dict[str, Any] = {name: _method(name) for name in names if hasattr(cls, name)}
    for name in dir(cls):
        if isinstance(getattr(cls, name, None), property | cached_property):
            body[name] = _property(name)
    body |= {"__module__": cls.__module__, "__doc__": cls.__doc__, "_original": cls}
    return type(cls)(f"Remote{cls.__name__}", (_Remote, cls), body)


def _method(name: str) -> Callable[..., Any]:
    def call(self: _Remote, *args: Any, **options: Any) -> Any:
        return self._call(name, list(args), options)

    call.__name__ = name
    return call


def _property(name: str) -> Any:
    prop = cached_property(lambda self: self._ask("get", name))
    prop.__set_name__(None, name)  # type: ignore[arg-type]  # the class is not made yet
    return prop


class _Remote:
    """What every remote class does in place of its reader."""

    _original: Any

    def __init__(self, path: str | Path, **options: Any) -> None:
        self.__dict__["_opening"] = Path(path), options
        plain, length = self._open()
        self._take(plain)
        self.__dict__["_length"] = length

    def _take(self, plain: dict[Any, Any]) -> None:
        """Set attributes that the reader's own methods set; no other name of a child counts."""
        for name in plain.keys() & stored_names(self._original):
            value = plain[name]
            if isinstance(value, Path) and not _is_near(value, self._opening[0]):
                raise self._channel.forged(f"{name} is {str(value)[:200]!r}")
            self.__dict__[name] = value

    def _open(self) -> Any:
        path, options = self._opening
        channel, shared = open_channel(self._original, path)
        channel.opened += 1
        handle, home, size = channel.opened, home_of(self._original), size_of(path)
        self.__dict__.update(_channel=channel, _handle=handle, _shared=shared, _size=size)
        return channel.ask("open", handle, home, path, options, os.getcwd(), size=size)

    def _live(self) -> Channel:
        channel: Channel | None = self.__dict__.get("_channel")
        path = str(self._opening[0])
        # It was unpickled, this is a forked worker, or the reader is used after its close.
        stale = channel is None or not channel.is_ours
        if channel is None or stale or (channel.cause and channel.path != path):
            self._open()  # the last case: another file of the session ended the child
        live: Channel = self._channel
        return live

    def _ask(self, operation: str, name: str, *args: Any) -> Any:
        channel = self._live()
        with channel.lock:
            channel.path = str(self._opening[0])  # which an error names, in a session too
            return channel.ask(operation, self._handle, name, *args, size=self._size)

    def _call(self, name: str, args: list[Any], options: dict[str, Any]) -> Any:
        args = [list(value) if hasattr(value, "__next__") else value for value in args]
        answer = self._ask("call", name, args, options)
        return result(self._channel, getattr(self._original, name), answer, self._size)

    def __len__(self) -> int:
        return int(self._length)

    def __iter__(self) -> Iterator[Any]:
        records: Iterator[Any] = self._call("__iter__", [], {})
        return records

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_length" not in self.__dict__:
            raise AttributeError(name)
        if not self._ask("has", name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = self.__dict__[name] = self._ask("get", name)
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        path, options = self._opening
        names = {"_channel", "_handle", "_shared", "_size"}
        state = {name: value for name, value in self.__dict__.items() if name not in names}
        return _again, (self._original, path, options, state)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child, or leave its file if it serves a session."""
        channel: Channel | None = self.__dict__.get("_channel")
        if channel is None:  # unpickled, and never asked
            return
        if not self._shared:
            channel.close()
        elif channel.is_ours and not channel.cause:
            channel.ask("close", self._handle)

    def rewrite(
        self, target: str | Path, function: Any, *, overwrite: bool = False, **options: Any
    ) -> None:
        """Write a changed copy: a child makes it in a folder of its own, then it gets its name."""
        rewrite_in_child(self, target, function, overwrite=overwrite, options=options)


@cache
def stored_names(cls: Any) -> frozenset[str]:
    """Return the public names of data that methods of a class set on an object, or annotate."""
    names: set[str] = set()
    for base in cls.__mro__[:-1]:
        names.update(vars(base).get("__annotations__", ()))
        for item in vars(base).values():
            lines = dis.get_instructions(item) if isinstance(item, FunctionType) else ()
            names.update(line.argval for line in lines if line.opname == "STORE_ATTR")
    return frozenset(
        name
        for name in names
        if name[0] != "_"
        and not isinstance(getattr(cls, name, None), FunctionType | property | cached_property)
    )


def _is_near(value: Path, path: Path) -> bool:
    return Path(os.path.abspath(value)).is_relative_to(Path(os.path.abspath(path)).parent)


def _again(cls: Any, path: Path, options: dict[str, Any], state: dict[str, Any]) -> Any:
    """Return a reader that opens its file when it is first asked: a worker may hold thousands."""
    reader = object.__new__(remote_class(cls))
    reader.__dict__.update(state)
    return reader
