"""Sign the manifest of a run, and verify it, with a local key and without network.

The library `model-signing` of the OpenSSF makes and reads the signatures. It signs the bytes of
`files.json`, which holds the hash of every other file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from scionwood.errors import AdapterFileError, TrainingError
from scionwood.runs.layout import FILES, SIGNATURE
from scionwood.runs.manifest import check_manifest, read_bounded, read_manifest, write_manifest
from scionwood_sandbox.files import atomic_path, writing

_KEY_FORMAT = "A key is a PEM file of an elliptic curve; docs/share.md has the commands"


def sign(folder: Path, key: str | Path) -> None:
    """Sign a run or an adapter: write `signature.json` beside its manifest.

    A folder without a manifest gets one.

    Args:
        folder: the run folder, or the folder of an adapter.
        key: the private key, a PEM file without a password.

    Raises:
        AdapterFileError: a file is not as the manifest states.
        TrainingError: the key cannot be read, or the package `model-signing` is not installed.
        WriteError: the disk is full or not writable.
    """
    signing, hashing = _library("signing"), _library("hashing")
    if read_manifest(folder) is None:
        write_manifest(folder)
    check_manifest(folder)
    content = read_bounded(folder / FILES)
    try:
        signer = signing.Config().use_elliptic_key_signer(private_key=Path(key))
    except (OSError, ValueError, TypeError) as error:
        raise _wrong_key(key, error) from error
    with (
        tempfile.TemporaryDirectory() as place,
        writing(folder),
        atomic_path(folder / SIGNATURE) as part,
    ):
        (Path(place) / FILES).write_bytes(content)
        signer.set_hashing_config(hashing.Config().use_file_serialization())
        signer.sign(Path(place) / FILES, part)


def verify(folder: Path, content: bytes, keys: Sequence[Path]) -> Path:
    """Check that one of some keys signed the manifest of a folder.

    Returns:
        The key that signed it.
    """
    verifying, hashing = _library("verifying"), _library("hashing")
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
                raise _wrong_key(key, error) from error
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


def _library(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"model_signing.{module}")
    except ImportError as error:
        rule = f"signatures need the package model-signing ({error})"
        raise TrainingError("signature", rule, "pip install model-signing pyopenssl") from error


def _wrong_key(key: str | Path, error: Exception) -> TrainingError:
    return TrainingError(f"key {key}", f"it cannot be read ({str(error)[:120]})", _KEY_FORMAT)
