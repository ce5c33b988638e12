"""The manifest of a run, `files.json`: the size and the hash of every file that loading uses.

These are the recipe, the files of the adapter, the head, and the notes of a field. The card, the
metrics, the scores, the figures and the origin are left out: they hold no weight and no option. The
folder of an adapter alone may have a manifest too.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from scionwood.errors import AdapterFileError, ReadError, ScionwoodError
from scionwood.runs.layout import (
    ADAPTER,
    EVALUATION,
    FILES,
    HEAD,
    NOTE,
    ORIGIN,
    RECIPE,
    SIGNATURE,
    TENSORS,
)
from scionwood_sandbox.files import atomic_path, writing
from scionwood_sandbox.regular import open_regular

LARGEST = 1 << 20
"""The most bytes of a manifest; it has room for some 5,000 files."""

_FORMAT = 1
_NOT_LOADED = (ORIGIN, EVALUATION, FILES, SIGNATURE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHANGED = "Fetch it again. If you changed it yourself: scionwood verify FOLDER --write"


class Entry(NamedTuple):
    """The size of a file in bytes, and its SHA-256."""

    bytes: int
    sha256: str


def loadable(folder: Path) -> list[str]:
    """Return the names of the files in a folder that loading uses, in order."""
    top = [path.name for path in folder.iterdir() if not path.is_dir() or path.is_symlink()]
    names = [n for n in top if n in (RECIPE, HEAD, TENSORS) or NOTE.fullmatch(n)]
    inner = (folder / ADAPTER).rglob("*") if (folder / ADAPTER).is_dir() else ()
    parts = [path.relative_to(folder) for path in inner if not path.is_dir() or path.is_symlink()]
    hidden = [part for part in parts if any(name.startswith(".") for name in part.parts)]
    names += [part.as_posix() for part in parts if part not in hidden]
    return sorted(name for name in names if name not in _NOT_LOADED)


def measure(folder: Path, names: list[str] | None = None) -> dict[str, Entry]:
    """Return the size and the hash of files, by default of those that loading uses."""
    names = loadable(folder) if names is None else names
    return {name: _measured(folder / name) for name in names}


def write_manifest(folder: Path, entries: Mapping[str, Entry] | None = None) -> None:
    """Write the manifest of a finished run or of an adapter, and remove the signature of another.

    Args:
        folder: the run folder, or the folder of an adapter.
        entries: the files; by default they are measured.

    Raises:
        AdapterFileError: a file is a link or no regular file.
        WriteError: the disk is full or not writable.

    Example:
        >>> from pathlib import Path
        >>> scionwood.pull("seismic/denoise", "runs/theirs").as_posix()
        'runs/theirs'
        >>> from scionwood.runs.manifest import check_manifest, write_manifest
        >>> write_manifest(Path("runs/theirs"))
        >>> check_manifest(Path("runs/theirs"))
    """
    entries = measure(folder) if entries is None else entries
    record = {
        "format": _FORMAT,
        "files": {name: entry._asdict() for name, entry in entries.items()},
    }
    with writing(folder):
        (folder / SIGNATURE).unlink(missing_ok=True)
        with atomic_path(folder / FILES) as part:
            part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def remove_manifest(folder: Path) -> None:
    """Remove the manifest and its signature from a folder whose files are to change."""
    with writing(folder):
        (folder / SIGNATURE).unlink(missing_ok=True)
        (folder / FILES).unlink(missing_ok=True)


def read_manifest(folder: Path) -> tuple[bytes, dict[str, Entry]] | None:
    """Return the bytes and the entries of a manifest; None if the folder has none."""
    path = folder / FILES
    if not os.path.lexists(path):
        return None
    data = read_bounded(path)
    remedy = "Fetch it again"
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise AdapterFileError(str(path), "it is not a readable manifest", remedy) from error
    match record:
        case {"format": 1, "files": {**files}}:
            pass
        case {"format": int(number)} if number > _FORMAT:
            rule = f"its format is {number}, and this version reads {_FORMAT}"
            raise AdapterFileError(str(path), rule, "Take a newer Scionwood")
        case _:
            raise AdapterFileError(str(path), "it is not a readable manifest", remedy)
    return data, {str(name): _entry(path, str(name), value) for name, value in files.items()}


def needed_manifest(folder: Path) -> tuple[bytes, dict[str, Entry]]:
    """Return what `read_manifest` returns of a folder that must have a manifest."""
    manifest = read_manifest(folder)
    if manifest is None:
        rule = f"it has no {FILES}, so nothing tells whether a file was changed"
        remedy = f"Write it: scionwood verify {folder} --write"
        raise AdapterFileError(str(folder), rule, remedy)
    return manifest


def check_manifest(folder: Path, entries: Mapping[str, Entry] | None = None) -> None:
    """Check that the files that loading uses are those of the manifest, byte for byte.

    Raises:
        AdapterFileError: a file is missing, changed or additional, or there is no manifest. The
            message names the file.
    """
    entries = needed_manifest(folder)[1] if entries is None else entries
    for fault in manifest_faults(folder, entries):
        raise fault


def manifest_faults(folder: Path, entries: Mapping[str, Entry]) -> Iterator[AdapterFileError]:
    """Yield an error for each file that is not as the manifest states; see `check_manifest`."""
    if not (folder / ADAPTER).is_dir():  # a repository has the adapter at its top
        entries = {name.removeprefix(f"{ADAPTER}/"): entry for name, entry in entries.items()}
    present = loadable(folder)
    for name in (name for name in entries if name not in present):
        yield AdapterFileError(f"{folder / name}", f"{FILES} lists it, but it is missing", _CHANGED)
    for name in (name for name in present if name not in entries):
        rule = f"it would be loaded, but {FILES} does not list it"
        yield AdapterFileError(f"{folder / name}", rule, _CHANGED)
    for name in (name for name in entries if name in present):
        if fault := _changed(folder / name, entries[name]):
            yield fault


def _changed(path: Path, entry: Entry) -> AdapterFileError | None:
    try:
        have = _measured(path)
    except AdapterFileError as fault:
        return fault
    rule = ""
    if have.bytes != entry.bytes:
        rule = f"it has {have.bytes:,} bytes, and {FILES} states {entry.bytes:,}"
    elif have.sha256 != entry.sha256:
        rule = f"its SHA-256 is {have.sha256[:12]}..., and {FILES} states {entry.sha256[:12]}..."
    return AdapterFileError(str(path), rule, _CHANGED) if rule else None


def read_bounded(path: Path) -> bytes:
    """Return the bytes of a small regular file.

    Raises:
        AdapterFileError: it is missing, a link, no regular file, or larger than `LARGEST`.
    """
    try:
        with open_regular(path) as file:
            data = file.read(LARGEST + 1)
    except ReadError as error:
        raise AdapterFileError(error.value, error.rule, error.remedy) from error
    if len(data) > LARGEST:
        raise AdapterFileError(str(path), f"it has more than {LARGEST:,} bytes", "Fetch it again")
    return data


def _measured(path: Path) -> Entry:
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            return Entry(size, hashlib.file_digest(file, "sha256").hexdigest())
    except ScionwoodError as error:
        raise AdapterFileError(error.value, error.rule, error.remedy) from error


def _entry(path: Path, name: str, value: object) -> Entry:
    match value:
        case {"bytes": int(size), "sha256": str(digest)} if _SHA256.fullmatch(digest):
            return Entry(size, digest)
        case _:
            rule = f"its entry {name[:80]!r} is malformed"
            raise AdapterFileError(str(path), rule, "Fetch it again")
