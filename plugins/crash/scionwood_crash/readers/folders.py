"""Folders and families of files that appear whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scionwood import OutputExistsError


@contextmanager
def atomic_folder(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield an empty folder beside `target`, which gets its name when the block ends well.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
    """
    check_target(target, overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as place:
        part = Path(place) / "new"
        part.mkdir()
        yield part
        if target.exists():
            target.rename(Path(place) / "old")  # removed with the place
        part.rename(target)


def check_target(target: Path, overwrite: bool) -> None:
    """Say at once what would be found out at the end.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
    """
    if target.exists() and not overwrite:
        raise OutputExistsError(str(target), "it exists already", "Say that it may be replaced")


@contextmanager
def new_family(target: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a folder for files `new-<name>`, which get their names together, `target` the last.

    Files of an older family, `<target>01` and on, make way.

    Raises:
        OutputExistsError: one of them or `target` exists and `overwrite` is false.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    pattern = re.compile(re.escape(target.name) + r"\d+")
    old = [item for item in target.parent.iterdir() if pattern.fullmatch(item.name)]
    for item in (target, *old):
        check_target(item, overwrite)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as place:
        yield Path(place)
        for item in old:
            item.unlink()
        # The shortest name is the first file's: without it there is no family.
        for item in sorted(Path(place).glob("new-*"), reverse=True):
            _sync(item)
            os.replace(item, target.with_name(item.name.removeprefix("new-")))


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
