"""The commands for runs that nobody can change unseen: sign and verify."""

from __future__ import annotations

import os
from pathlib import Path

from scionwood.errors import AdapterFileError
from scionwood.recipes.arguments import InputPath
from scionwood.runs import signature
from scionwood.runs.layout import FILES, SIGNATURE
from scionwood.runs.manifest import check_manifest, read_manifest, write_manifest
from scionwood.runs.reference import locate
from scionwood.runs.seal import VARIABLE


def sign(run: str, *, key: InputPath) -> None:
    """Sign a run or an adapter with a private key of your own.

    Args:
        run: the run, by any reference, or the folder of an adapter.
        key: the private key, a PEM file.
    """
    folder = locate(run)
    signature.sign(folder, key)
    print(folder / SIGNATURE)


def verify(run: str, *, key: Path | None = None, write: bool = False) -> None:
    """Check that the files of a run or an adapter are as its manifest states, and who signed them.

    Args:
        run: the run, by any reference, or the folder of an adapter.
        key: the public key of its author, or a folder of keys; by default those that
            SCIONWOOD_REQUIRE_SIGNED names. Without any, the signature is not checked.
        write: write the manifest and the hash of the tensors anew, for a run made before or changed
            by yourself. A signature is removed.
    """
    folder = locate(run)
    if write:
        from scionwood.adapters.content import restate

        restate(folder)
        write_manifest(folder)
    manifest = read_manifest(folder)
    if manifest is None:
        rule = f"it has no {FILES}, so nothing tells whether a file was changed"
        remedy = f"Write it: scionwood verify {folder} --write"
        raise AdapterFileError(str(folder), rule, remedy)
    content, entries = manifest
    keys = key or os.environ.get(VARIABLE)
    by = signature.verify(folder, content, signature.public_keys(keys)) if keys else None
    check_manifest(folder, entries)
    print(f"{folder}: {len(entries)} files are as {FILES} states; {_signed(folder, by)}")


def _signed(folder: Path, by: Path | None) -> str:
    if by is not None:
        return f"signed by {by.name}"
    if (folder / SIGNATURE).exists():
        return "the signature was not checked: name a key with --key"
    return "not signed"
