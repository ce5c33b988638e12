"""Check a run or an adapter before any of it is loaded: its manifest, and its signature.

`SCIONWOOD_REQUIRE_SIGNED` names a public key or a folder of them. Then only what one of them signed
is loaded.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scionwood.errors import AdapterFileError
from scionwood.runs.layout import ADAPTER, FILES, HEAD, MANIFEST, RECIPE, SIGNATURE
from scionwood.runs.manifest import (
    check_manifest,
    loadable,
    measure,
    read_bounded,
    read_manifest,
    remove_manifest,
    write_manifest,
)
from scionwood.runs.signature import public_keys, verify

VARIABLE = "SCIONWOOD_REQUIRE_SIGNED"
"""The environment variable that names the public keys whose signature is required."""

_State = tuple[object, ...]
_checked: dict[Path, _State] = {}  # what was checked in this process, and in which state
_told: set[Path] = set()


def check_run(folder: Path, *, quiet: bool = False) -> None:
    """Check the files of a finished run against its manifest, and its signature if one is required.

    A run without a manifest was made by an earlier version. It passes with a note on stderr, unless
    a signature is required.

    Raises:
        AdapterFileError: a file is missing, changed or additional; or the run is not signed by one
            of the required keys.
    """
    if _sealed(folder):
        return
    _check_head(folder)
    if not quiet and folder not in _told:
        _told.add(folder)
        rule = f"it has no {FILES}, so its files are not checked"
        print(f"{folder}: {rule}. Write it: scionwood verify {folder} --write", file=sys.stderr)


def check_part(folder: Path) -> None:
    """Check an adapter or a head before it is loaded, as `check_run` does.

    The manifest lies in the folder, or in the folder of the run to which it belongs. An adapter
    that has none passes, unless a signature is required.
    """
    _sealed(_home(folder))


@contextmanager
def changing(folder: Path, names: Sequence[str]) -> Iterator[None]:
    """Let the manifest follow when this process replaces files of an adapter or of a head.

    In the block there is no manifest, so that the folder can be loaded at any moment. Afterwards it
    states the new files, and for the others what it stated before. A signature is removed.

    Args:
        folder: the folder of the files.
        names: the files.

    Raises:
        WriteError: the disk is full or not writable.

    Example:
        >>> from pathlib import Path
        >>> run = scionwood.pull("seismic/denoise", "runs/own")
        >>> with authoring.changing(Path(run), ["note.json"]):
        ...     size = (run / "note.json").write_text("{}")
        >>> scionwood.find_run("runs/own").name
        'own'
    """
    home = _home(folder)
    manifest = read_manifest(home) if home.is_dir() else None
    if manifest is None:
        yield
        return
    entries = manifest[1]
    remove_manifest(home)
    yield
    for name, entry in measure(folder, list(names)).items():
        inner = f"{ADAPTER}/{name}"
        entries[inner if home != folder or inner in entries else name] = entry
    write_manifest(home, dict(sorted(entries.items())))


def _home(folder: Path) -> Path:
    """Return where the manifest of an adapter or a head lies: its folder, or that of its run."""
    run = folder.absolute().parent
    in_run = folder.name == ADAPTER and os.path.lexists(run / FILES) and (run / RECIPE).is_file()
    return run if in_run and not os.path.lexists(folder / FILES) else folder


def _sealed(folder: Path) -> bool:
    """Check a folder; return False if it has no manifest and none is required."""
    required = os.environ.get(VARIABLE, "")
    if not folder.is_dir() or not (required or os.path.lexists(folder / FILES)):
        return False
    keys = public_keys(required) if required else []
    state = (*_state(folder), *((str(key), *_stamp(key)) for key in keys))
    if _checked.get(folder.resolve()) == state:
        return True
    manifest = read_manifest(folder)
    if manifest is None:
        rule = f"it is not signed, and {VARIABLE} requires it"
        raise AdapterFileError(str(folder), rule, "Ask its author: scionwood sign RUN --key KEY")
    content, entries = manifest
    if required:
        verify(folder, content, keys)
    check_manifest(folder, entries)
    _checked[folder.resolve()] = state
    return True


def _state(folder: Path) -> _State:
    names = [*loadable(folder), FILES, SIGNATURE]
    return tuple((name, *_stamp(folder / name)) for name in names)


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _check_head(folder: Path) -> None:
    """Refuse a run whose adapter was trained beside a head that is missing."""
    path = folder / ADAPTER / MANIFEST
    if (folder / HEAD).exists() or not path.is_file():
        return
    try:
        record = json.loads(read_bounded(path))
    except (ValueError, RecursionError):  # load_adapter says what is wrong with it
        return
    head = record.get("head") if isinstance(record, dict) else None
    if head:
        rule = f"{MANIFEST} states that a head was trained beside the adapter, and it is missing"
        raise AdapterFileError(f"{folder / HEAD}", rule, "Fetch the run again")
