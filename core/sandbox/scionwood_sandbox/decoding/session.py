"""Use one child for all files below a folder: a data set reads thousands of small ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from scionwood_sandbox.decoding.limits import Limits
from scionwood_sandbox.decoding.naming import label, package_of
from scionwood_sandbox.decoding.switch import is_enabled

if TYPE_CHECKING:  # it needs numpy, which refusals do without
    from scionwood_sandbox.decoding.client import Channel

_MAX_OPENED = 1000
_current: ContextVar[Session | None] = ContextVar("session", default=None)


class Session:
    """One child that may read every file below a folder, and is used from file to file.

    A fresh child takes its place after an error that ended it, after 1,000 files, and in a process
    that was forked.

    Args:
        root: the folder.
        limits: how much the child may use.

    Example:
        >>> from pathlib import Path
        >>> import scionwood
        >>> from scionwood_sandbox import Session, open_in_child
        >>> segy = scionwood.load("readers", "seismic/segy")
        >>> segy.write_sample(Path("a.sgy"))
        >>> with Session("."), open_in_child(segy, "a.sgy") as reader:
        ...     len(reader)
        1
    """

    def __init__(self, root: str | Path, *, limits: Limits | None = None) -> None:
        self.root, self.limits = Path(root).resolve(), limits
        self._channels: dict[str, Channel] = {}
        self._tokens: list[Token[Session | None]] = []

    def channel(self, target: Any, modules: Collection[str]) -> Channel:
        """Return the child for the package of a reader or function, a fresh one if need be."""
        from scionwood_sandbox.decoding.client import Channel

        package = package_of(target)
        channel = self._channels.get(package)
        usable = (
            channel is not None
            and channel.is_ours
            and not channel.cause
            and channel.opened < _MAX_OPENED
        )
        if channel is None or not usable or not channel.modules >= set(modules):
            before = channel.modules if channel is not None else frozenset()
            channel = self._channels[package] = Channel(
                str(self.root),
                label(target),
                before | set(modules),
                package=package,
                read=[str(self.root)],
                limits=self.limits,
            )
        channel.kind = label(target)
        return channel

    @contextmanager
    def active(self) -> Iterator[None]:
        """Use the child inside the block, and keep it for the next block."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def __enter__(self) -> Self:
        self._tokens.append(_current.set(self))
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._tokens.pop())
        self.close()

    def close(self) -> None:
        """End the children."""
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_channels": {}, "_tokens": []}


def current(path: Path) -> Session | None:
    """Return the session in whose `with` block this is, if the path lies below its folder."""
    session = _current.get()
    return session if session and path.resolve().is_relative_to(session.root) else None


@contextmanager
def one_child(root: str | Path) -> Iterator[None]:
    """Use one child for all files below a folder inside the block, where readers use children.

    That is a `Session` if readers decode in children here and no outer session holds the folder.
    Elsewhere nothing changes.

    Args:
        root: the folder.

    Example:
        >>> from pathlib import Path
        >>> segy = scionwood.load("readers", "seismic/segy")
        >>> segy.write_sample(Path("a.sgy"))
        >>> from scionwood_sandbox import one_child
        >>> with one_child("."), segy("a.sgy") as reader:
        ...     len(reader)
        1
    """
    if not is_enabled() or current(Path(root)):
        yield
        return
    with Session(root):
        yield
