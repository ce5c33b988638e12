"""Unpack an archive into a temporary folder, and pack a folder into an archive."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from scionwood_sandbox.archives.zips import check_zip
from scionwood_sandbox.errors import ReadError
from scionwood_sandbox.files import atomic_folder, atomic_path, reading

_BLOCK = 1 << 20


@contextmanager
def unpacked(
    path: str | Path,
    parent: str | Path | None = None,
    *,
    kind: str = "zip",
    allow_repeats: bool = False,
) -> Iterator[Path]:
    """Yield a folder with the content of a zip archive, or with a copy of a folder.

    The folder is temporary: it is removed when the block ends.

    Args:
        path: a zip archive, or a folder.
        parent: the folder in which to create it; `None` means the system's temporary folder.
        kind: the format of the archive, for the message.
        allow_repeats: see `check_zip`.

    Raises:
        ReadError: see `check_zip`; nothing has been written then. A folder must not hold links.
        OSError: the disk is full.

    Example:
        >>> import zipfile
        >>> with zipfile.ZipFile("data.zip", "w") as archive:
        ...     archive.writestr("a.txt", "one")
        >>> from scionwood_sandbox import unpacked
        >>> with unpacked("data.zip") as folder:
        ...     (folder / "a.txt").read_text()
        'one'
    """
    path = Path(path)
    if path.is_dir():
        _refuse_links(path, kind)
    else:
        check_zip(path, kind, allow_repeats=allow_repeats)
    with tempfile.TemporaryDirectory(prefix=f".{path.name[:40]}-", dir=parent) as place:
        folder = Path(place) / "content"
        if path.is_dir():
            shutil.copytree(path, folder)
        else:
            with reading(path, kind, passing=(OSError,)):
                _extract(path, folder)
        yield folder


def pack(folder: str | Path, target: str | Path, like: str | Path | None = None) -> None:
    """Pack the files of a folder into a zip archive, uncompressed: equal content, equal bytes.

    Args:
        folder: the folder, packed with everything below it.
        target: the archive.
        like: an archive whose order, dates and compression are kept.

    Raises:
        OSError: the disk is full or not writable.

    Example:
        >>> import zipfile
        >>> from pathlib import Path
        >>> Path("results").mkdir()
        >>> size = Path("results/a.txt").write_text("one")
        >>> from scionwood_sandbox import pack
        >>> pack("results", "results.zip")
        >>> zipfile.ZipFile("results.zip").namelist()
        ['a.txt']
    """
    folder = Path(folder)
    entries: dict[str, zipfile.ZipInfo] = {}
    if like is not None:
        with zipfile.ZipFile(like) as old:
            entries = {info.filename: info for info in old.infolist() if not info.is_dir()}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in entries:
            entries[name] = zipfile.ZipInfo(name)  # dated 1980
    with zipfile.ZipFile(target, "w") as archive:
        for name, info in entries.items():
            info.file_size = (folder / name).stat().st_size
            with (folder / name).open("rb") as source, archive.open(info, "w") as file:
                shutil.copyfileobj(source, file, _BLOCK)


@contextmanager
def atomic_folder_or_zip(target: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder that becomes `target`, packed if its name ends in `.zip`.

    Args:
        target: a folder, or a zip archive.
        overwrite: replace what exists.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
        OSError: the disk is full or not writable; what was there before stays.

    Example:
        >>> import zipfile
        >>> from scionwood_sandbox import atomic_folder_or_zip
        >>> with atomic_folder_or_zip("results.zip") as folder:
        ...     size = (folder / "a.txt").write_text("one")
        >>> zipfile.ZipFile("results.zip").namelist()
        ['a.txt']
    """
    target = Path(target)
    if target.suffix != ".zip":
        with atomic_folder(target, overwrite=overwrite) as folder:
            yield folder
        return
    with (
        atomic_path(target, overwrite=overwrite) as part,
        tempfile.TemporaryDirectory(prefix=f".{target.name[:40]}-", dir=target.parent) as place,
    ):
        yield Path(place)
        pack(place, part)


def _extract(path: Path, folder: Path) -> None:
    folder.mkdir()
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            target = folder / PurePosixPath(info.filename)
            if info.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, _BLOCK)


def _refuse_links(folder: Path, kind: str) -> None:
    for path in folder.rglob("*"):
        if path.is_symlink():
            rule = f"{kind}: {path.relative_to(folder)} is a link"
            raise ReadError(str(folder), rule, "Put the file itself there")
