"""The names of the files in a run folder, and one hash of its weights."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from scionwood.errors import OutputExistsError

RECIPE = "recipe.yaml"
ADAPTER = "adapter"
HEAD = "head.safetensors"
ORIGIN = "origin.json"
BASE = "base.json"
"""The hash of the weights from which the run was adapted, if its recipe names such a file."""

CARD = "README.md"
METRICS = "metrics.csv"
MANIFEST = "scionwood.json"
"""In the folder of the adapter."""

FILES = "files.json"
"""The size and the hash of every file that loading uses."""

SIGNATURE = "signature.json"
"""The signature of `files.json`."""

FORMAT = 1
"""The newest format of `scionwood.json` that this version reads."""

NOTE = re.compile(r"[a-z][a-z0-9_]{0,40}\.json")
"""What a field keeps beside the weights, such as the `normaliser.json` of pde."""

EVALUATION = "evaluation.json"
"""The scores of a run, which a command may add to it later. Loading does not use them."""


def refuse_used(folder: Path) -> None:
    """Refuse to start a run in a folder that holds one."""
    if (folder / RECIPE).exists():
        remedy = f"Choose another folder, or continue it: --resume {folder}"
        raise OutputExistsError(str(folder), "it holds a run already", remedy)


def is_finished(folder: Path) -> bool:
    """Return whether a folder holds the results of a run, and not only a checkpoint."""
    return (folder / RECIPE).is_file() and (
        (folder / ADAPTER).is_dir() or (folder / HEAD).is_file()
    )


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
