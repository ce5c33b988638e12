"""One hash of a run's weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from scionwood.runs.layout import ADAPTER, HEAD


def weights_digest(folder: Path) -> str:
    """Return the SHA-256 over the names and bytes of a run's weight files.

    Args:
        folder: the run folder.

    Example:
        >>> run = scionwood.find_run("seismic/denoise", quiet=True)
        >>> authoring.weights_digest(run) == authoring.read_origin(run).digest
        True
    """
    files = sorted((folder / ADAPTER).glob("*.safetensors"))
    if (folder / HEAD).is_file():
        files.append(folder / HEAD)
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.relative_to(folder).as_posix()} {file_digest(path)}\n".encode())
    return total.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
