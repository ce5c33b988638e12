"""Write a changed copy of a file in a child that may write into a folder of its own alone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scionwood_sandbox import settings
from scionwood_sandbox.decoding.calls import own_channel
from scionwood_sandbox.decoding.child import CALL
from scionwood_sandbox.decoding.naming import home_of
from scionwood_sandbox.decoding.protocol import fits
from scionwood_sandbox.decoding.schema import ForgedError
from scionwood_sandbox.decoding.switch import walled
from scionwood_sandbox.errors import RuleError, WriteError

_MARK = ".sandbox-"


def rewrite_in_child(
    reader: Any,
    target: str | Path,
    function: Callable[..., Any],
    *,
    overwrite: bool,
    options: Mapping[str, Any],
) -> None:
    """Write a changed copy: a child makes it in a folder of its own, then it gets its name.

    What a stopped run leaves (`leaves` of the reader's class) lies beside the target, as it does
    without the service, so that a later run continues it, in a child or not.
    """
    from scionwood_sandbox.files import check_target, writing

    target = Path(target)
    check_target(target, overwrite)
    if not walled():  # the reader itself puts the file in place at the end
        _rewrite(reader, target, function, {**options, "overwrite": overwrite}, None)
        return
    names = [pattern.format(name=target.name) for pattern in reader._original.leaves]
    with writing(target), _work_folder(target) as folder:
        unfinished = _Unfinished(names, target.parent, folder)
        try:
            unfinished.enter()
            options = {**options, "overwrite": overwrite}
            _rewrite(reader, folder / target.name, function, options, unfinished)
            _place(folder, target, names)
        except RuleError as error:
            raise _without(folder, target, error) from error
        finally:
            unfinished.mirror()


def _rewrite(
    reader: Any,
    output: Path,
    function: Callable[..., Any],
    options: dict[str, Any],
    unfinished: _Unfinished | None,
) -> None:
    from scionwood_sandbox.record import Record

    left = iter(range(len(reader)))

    def call(numbers: Any, record: Any) -> np.ndarray:
        if not fits(numbers, dict[str, float]) or not isinstance(record, Record):
            raise ForgedError(f"a record of type {type(record).__name__}")
        if next(left, None) is None:
            raise ForgedError("more records than the file has")
        reader._take(numbers)
        if unfinished is not None:
            unfinished.mirror()
        return np.asarray(function(record))

    path, opening = reader._opening
    cls, size = reader._original, reader._size
    channel = own_channel(cls, path, write=[str(output.parent)])
    try:
        channel.ask("open", 1, home_of(cls), path, opening, os.getcwd(), size=size)
        identity = getattr(function, "identity", None)  # what makes a stopped run resumable
        values = {} if identity is None else {"identity": identity}
        request = ("call", 1, "rewrite", [output, (CALL, "function", values)], options)
        channel.ask(*request, size=size, calls={"function": call})
    finally:
        channel.close()


@contextmanager
def _work_folder(target: Path) -> Iterator[Path]:
    """Make a folder beside a target, and remove it and those that killed processes left."""
    import fcntl  # POSIX alone has it

    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name[:40]}{_MARK}"
    for left in target.parent.glob(f"{_escaped(prefix)}*/"):
        _remove_if_left(left)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent)).resolve()
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # says that this process lives
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _remove_if_left(folder: Path) -> None:
    import fcntl  # POSIX alone has it

    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # another process removed it
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # its process lives
        pass
    finally:
        os.close(handle)


class _Unfinished:
    """The files of a stopped run: the same ones beside the target and in the child's folder.

    They are hard links of each other, so that a lock on one holds for both.
    """

    def __init__(self, names: Sequence[str], target_folder: Path, inside: Path) -> None:
        self.names, self.beside, self.inside = names, target_folder, inside
        self.entered = False

    def enter(self) -> None:
        """Give the child what an earlier run left."""
        for name in self.names:
            if (self.beside / name).exists():
                try:
                    os.link(self.beside / name, self.inside / name)
                except OSError as error:
                    rule = f"a child cannot continue it ({error.strerror}: no hard links)"
                    remedy = f"Set {settings.inline()}, or remove it"
                    raise WriteError(str(self.beside / name), rule, remedy) from error
        self.entered = True

    def mirror(self) -> None:
        """Let what lies beside the target be what the child has."""
        for name in self.names if self.entered else ():
            child_file, target_file = self.inside / name, self.beside / name
            if not child_file.exists():
                target_file.unlink(missing_ok=True)
            elif not (target_file.exists() and child_file.samefile(target_file)):
                spare = self.inside / f"{name}.link"
                try:
                    os.link(child_file, spare)
                    os.replace(spare, target_file)
                except OSError:  # no hard links here: a stopped run starts again
                    self.entered = False


def _place(folder: Path, target: Path, names: Sequence[str]) -> None:
    """Give what a child wrote its names; the target comes last."""
    written = [item for item in folder.iterdir() if item.name not in names]
    ordered_items = sorted(written, key=lambda item: item.name == target.name)
    if not ordered_items or ordered_items[-1].name != target.name:
        raise WriteError(str(target), "its reader wrote no such file", "Report it to its authors")
    for item in ordered_items:
        place = target.parent / item.name
        if place.is_dir() and not place.is_symlink():
            os.replace(place, folder / f".old-{item.name}")
        os.replace(item, place)
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _without(folder: Path, target: Path, error: RuleError) -> RuleError:
    """Return an error that names the target in place of the child's folder."""
    child_path = str(folder / target.name)
    parts = (error.value, error.rule, error.remedy)
    messages = [
        part.replace(child_path, str(target)).replace(str(folder), str(target.parent))
        for part in parts
    ]
    return type(error)(*messages)
