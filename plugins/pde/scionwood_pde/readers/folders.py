"""Folders that appear whole or not at all, and folders packed into one file."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scionwood import OutputExistsError, atomic_path


@contextmanager
def atomic_folder(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield an empty folder beside `target`, which gets its name when the block ends well.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
    """
    if target.exists() and not overwrite:
        raise OutputExistsError(str(target), "it exists already", "Say that it may be replaced")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as place:
        part = Path(place) / "new"
        part.mkdir()
        yield part
        if target.exists():
            target.rename(Path(place) / "old")  # removed with the place
        part.rename(target)


def pack(folder: Path, target: Path, like: Path | None = None) -> None:
    """Pack a folder's files into a zip file, uncompressed, as Zarr reads it.

    Args:
        folder: with its files.
        target: the zip file.
        like: a zip file whose order, dates and compression are kept.
    """
    entries: dict[str, zipfile.ZipInfo] = {}
    if like is not None:
        with zipfile.ZipFile(like) as old:
            entries = {info.filename: info for info in old.infolist() if not info.is_dir()}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in entries:
            entries[name] = zipfile.ZipInfo(name)  # of 1980: equal content, equal bytes
    with zipfile.ZipFile(target, "w") as file:
        for name, info in entries.items():
            file.writestr(info, (folder / name).read_bytes())


@contextmanager
def unpacked(path: Path, beside: Path) -> Iterator[Path]:
    """The content of a zip file, or a copy of a folder, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=beside) as place:
        folder = Path(place) / "content"
        if path.is_dir():
            shutil.copytree(path, folder)
        else:
            with zipfile.ZipFile(path) as file:
                file.extractall(folder)
        yield folder


@contextmanager
def atomic_folder_or_zip(target: Path, overwrite: bool) -> Iterator[Path]:
    """Yield an empty folder that becomes `target`, packed where its name ends in `.zip`.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
    """
    if target.suffix != ".zip":
        with atomic_folder(target, overwrite=overwrite) as folder:
            yield folder
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as place,
        atomic_path(target, overwrite=overwrite) as part,
    ):
        yield Path(place)
        pack(Path(place), part)
