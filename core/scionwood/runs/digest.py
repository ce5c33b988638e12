"""One hash of a run's weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from scionwood.runs.layout import ADAPTER, HEAD


def weights_digest(folder: Path) -> str:
    """Return the SHA-256 over the names and bytes of a run's weight files.

    Args:
        folder: the run folder.
    """
    files = sorted((folder / ADAPTER).glob("*.safetensors"))
    if (folder / HEAD).is_file():
        files.append(folder / HEAD)
    total = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return total.hexdigest()
