"""Open files for readers and functions in a child: one of its own, or that of a session."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, get_args

from scionwood_sandbox.decoding.control import warm
from scionwood_sandbox.decoding.limits import Limits
from scionwood_sandbox.decoding.naming import home_of, label, package_of, size_of
from scionwood_sandbox.decoding.session import current
from scionwood_sandbox.decoding.switch import is_enabled, walled

if TYPE_CHECKING:  # it needs numpy, which refusals do without
    from scionwood_sandbox.decoding.client import Channel

Argument = ParamSpec("Argument")
Result = TypeVar("Result")

_LEARNING = Limits(cpu=120, wall=120)


def call_in_child(
    function: Callable[Concatenate[Path, Argument], Result],
    path: str | Path,
    *args: Argument.args,
    **options: Argument.kwargs,
) -> Result:
    """Call a function that reads a file; it runs in a restricted child where readers do.

    That is so in commands, and elsewhere if the switch says `service`. The child can open the
    file alone, or what lies in the folder. Inside `with Session(folder)` one child serves all files
    below the folder. Readers that the function opens decode in that same child.

    Args:
        function: takes the path first. Its module can be imported. It returns plain data: numbers,
            text, paths, arrays, lists, mappings and frozen dataclasses of its package. A generator
            function may yield any number of them.
        path: the file or folder.
        args: further arguments of the function, plain data too.
        options: its keyword arguments.

    Returns:
        What the function returns; an iterator for a generator function. It is what the function's
        annotation says.

    Raises:
        ReadError: the file killed or stalled the child, or the function failed by a foreign error.
        RuleError: what the function raised.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_sandbox import call_in_child
        >>> size = Path("a.txt").write_text("seismic", "utf-8")
        >>> call_in_child(Path.read_text, "a.txt", encoding="utf-8")
        'seismic'
    """
    path = Path(path)
    if not is_enabled():
        return function(path, *args, **options)
    import scionwood_sandbox.record  # noqa: F401 - a result may hold records

    channel, shared = open_channel(function, path)
    channel.opened += 1
    size = size_of(path)
    request = ("function", home_of(function), path, list(args), options, os.getcwd())
    answer: dict[str, Any] = {}
    try:
        answer = channel.ask(*request, size=size)
    finally:
        if not shared and "stream" not in answer:
            channel.close()
    value: Any = result(channel, function, answer, size)
    if "stream" in answer:
        value = _closing(channel, value, shared)
    returned: Result = value
    return returned


def _closing(channel: Channel, items: Iterator[Any], shared: bool) -> Iterator[Any]:
    try:
        yield from items
    finally:
        if not shared:
            channel.close()


def result(channel: Channel, function: Any, answer: dict[str, Any], size: int) -> Any:
    """Return what a function returned in a child; an iterator for a stream."""
    from scionwood_sandbox.decoding.protocol import fits, hints

    hint = hints(function).get("return", Any)
    if "stream" in answer:
        items = get_args(hint)
        return _stream(channel, answer["stream"], size, items[0] if items else Any)
    if not fits(answer["value"], hint):
        kind = type(answer["value"]).__name__
        raise channel.forged(f"{function.__name__} returned an object of type {kind}")
    return answer["value"]


def _stream(channel: Channel, number: int, size: int, hint: Any) -> Iterator[Any]:
    """Yield the items of an iterator that a child holds, and let the child drop it at the end."""
    from scionwood_sandbox.decoding.protocol import fits

    ended = False
    try:
        while batch := channel.ask("next", number, size=size):
            batch.reverse()
            while batch:
                if not fits(batch[-1], hint):
                    raise channel.forged(f"an item of type {type(batch[-1]).__name__}")
                yield batch.pop()
        ended = True
    finally:
        if not ended and channel.is_ours and not channel.cause:
            channel.ask("stop", number)


def open_channel(target: Any, path: Path) -> tuple[Channel, bool]:
    """Return the child in which a target opens a path, and whether others share it."""
    session = current(path)
    if session is None:
        return own_channel(target, path), False
    channel = session.channel(target, modules_of(target))
    channel.path = str(path)
    return channel, True


def own_channel(target: Any, path: Path, write: list[str] | None = None) -> Channel:
    """Return a new child that may open a path alone, and write into the folders of `write`."""
    from scionwood_sandbox.decoding.client import Channel

    absolute_path = path.absolute()
    is_part = getattr(target, "beside", False) and not path.is_dir()
    read = [str(absolute_path.parent if is_part else absolute_path), *(write or [])]
    return Channel(
        str(path), label(target), modules_of(target), package=package_of(target), read=read,
        write=write or [],
    )  # fmt: skip


@cache
def modules_of(target: Any) -> tuple[str, ...]:
    """Return the modules that a child should hold before it opens a file.

    Those of a reader are learned from reading its own sample in a child; of a function it is the
    module that defines it.
    """
    from scionwood_sandbox.decoding.client import Channel

    home = home_of(target)
    if not hasattr(target, "write_sample"):
        return (target.__module__,)
    with tempfile.TemporaryDirectory() as folder:
        channel = Channel(
            folder, label(target), [target.__module__], package=package_of(target),
            limits=_LEARNING, restricted=False,
        )  # fmt: skip
        try:
            learned = channel.ask("learn", home, folder)
        finally:
            channel.close()
    return target.__module__, *learned


def start_early(modules: Collection[str]) -> None:
    """Start the service and let it import modules, while this process does something else."""
    if is_enabled() and walled():
        warm(modules)
