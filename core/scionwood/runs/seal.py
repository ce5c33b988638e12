"""Check a run or an adapter before any of it is loaded: its manifest, and its signature.

`SCIONWOOD_REQUIRE_SIGNED` names a public key or a folder of them. Then only what one of them signed
is loaded. The library `model-signing` of the OpenSSF reads the signatures, with a local key and
without network. Signed are the bytes of `files.json`, which holds the hash of every file.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

from scionwood.errors import AdapterFileError, TrainingError
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

_KEY_FORMAT = "A key is a PEM file of an elliptic curve; docs/share.md has the commands"


def verify(folder: Path, content: bytes, keys: Sequence[Path]) -> Path:
    """Check that one of some keys signed the manifest of a folder.

    Returns:
        The key that signed it.
    """
    verifying, hashing = library("verifying"), library("hashing")
    if not (folder / SIGNATURE).is_file():
        rule = "it is not signed"
        raise AdapterFileError(str(folder), rule, "Ask its author: scionwood sign RUN --key KEY")
    signature = read_bounded(folder / SIGNATURE)
    with tempfile.TemporaryDirectory() as place:
        # Copies: nothing can be swapped in while the library reads them.
        (Path(place) / FILES).write_bytes(content)
        (Path(place) / SIGNATURE).write_bytes(signature)
        for key in keys:
            try:
                verifier = verifying.Config().use_elliptic_key_verifier(public_key=key)
            except (OSError, ValueError, TypeError) as error:
                raise wrong_key(key, error) from error
            verifier.set_hashing_config(hashing.Config().use_file_serialization())
            if _signed(verifier, Path(place)):
                return key
    key_names = ", ".join(key.name for key in keys[:3]) or "no key"
    rule = f"its signature is not of one of the keys ({key_names})"
    raise AdapterFileError(f"{folder / SIGNATURE}", rule, "Do not use it, or name its author's key")


def public_keys(place: str | Path) -> list[Path]:
    """Return the public keys at a place: a PEM file, or all `*.pem` and `*.pub` of a folder."""
    place = Path(place).expanduser()
    kinds = ("*.pem", "*.pub")
    keys = [path for kind in kinds for path in place.glob(kind)] if place.is_dir() else [place]
    if not keys or not all(key.is_file() for key in keys):
        rule = "there is no public key"
        raise TrainingError(f"keys {place}", rule, "Name a PEM file, or a folder of them")
    return sorted(keys)


def _signed(verifier: Any, place: Path) -> bool:
    try:
        with redirect_stdout(StringIO()):  # it prints a warning about older signatures
            verifier.verify(place / FILES, place / SIGNATURE)
    except Exception:  # parsers raise nearly anything on a forged signature
        return False
    return True


def library(module: str) -> Any:
    """Return a module of the library that makes and reads signatures, which is an extra."""
    try:
        return import_module(f"model_signing.{module}")
    except ImportError as error:
        rule = f"signatures need the package model-signing ({error})"
        raise TrainingError("signature", rule, "pip install model-signing pyopenssl") from error


def wrong_key(key: str | Path, error: Exception) -> TrainingError:
    """Return the error for a key that the library does not read."""
    return TrainingError(f"key {key}", f"it cannot be read ({str(error)[:120]})", _KEY_FORMAT)


VARIABLE = "SCIONWOOD_REQUIRE_SIGNED"
"""The environment variable that names the public keys whose signature is required."""

_checked: dict[Path, tuple[object, ...]] = {}  # in this process, and in which state
_announced: set[Path] = set()


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
    if not quiet and folder not in _announced:
        _announced.add(folder)
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
    files = [folder / name for name in (*loadable(folder), FILES, SIGNATURE)]
    state = tuple((str(path), *_stamp(path)) for path in (*files, *keys))
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
