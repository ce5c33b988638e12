"""The names of the files in a run folder, those that are shared, and one hash of its weights."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from scionwood.errors import AdapterFileError, OutputExistsError

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


# Others get a run as a plain peft repository: the files of `adapter/` are at the top, and those of
# Scionwood beside them. A repository on the hub and a zip archive have the same content, without
# any checkpoint, pickle or code.
CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
OF_ADAPTER = (CONFIG, TENSORS, MANIFEST)
AT_TOP = (HEAD, RECIPE, CARD, METRICS, ORIGIN)
FIGURE = re.compile(r"figures/[A-Za-z0-9][\w.-]*\.png")
FIGURES = 64
"""The most figures of a shared run."""

_SMALL = 16 << 20
_LARGEST = {TENSORS: 16 << 30, HEAD: 16 << 30, METRICS: 256 << 20}  # bytes


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


def is_part(name: str) -> bool:
    """Return whether a file of a repository belongs to a run. No other file is downloaded."""
    is_listed = name in (*OF_ADAPTER, *AT_TOP)
    return is_listed or any(kind.fullmatch(name) for kind in (FIGURE, NOTE))


def check_sizes(where: str, sizes: Mapping[str, int]) -> None:
    """Refuse files that are too large for what they are, or too many."""
    for name, size in sizes.items():
        if size > (limit := _LARGEST.get(name, _SMALL)):
            rule = f"it has {size:,} bytes, more than {limit:,}"
            raise AdapterFileError(f"{where}: {name}", rule, "Ask its author for a smaller one")
    if sum(name.startswith("figures/") for name in sizes) > FIGURES:
        raise AdapterFileError(where, f"it has more than {FIGURES} figures", "Ask for fewer")


def arrange(repository: Path, run: Path, where: str) -> None:
    """Move the files of a repository to their places in a run folder, and leave all others.

    Raises:
        AdapterFileError: one of the files is a link or too large.
    """
    files = {path.relative_to(repository).as_posix(): path for path in repository.rglob("*")}
    files = {name: path for name, path in files.items() if is_part(name)}
    for name, path in files.items():
        if path.is_symlink() or not path.is_file():
            rule = "it is a link or a folder, not a file"
            raise AdapterFileError(f"{where}: {name}", rule, "Ask for another")
    check_sizes(where, {name: path.stat().st_size for name, path in files.items()})
    for name, path in files.items():
        target = run / (f"{ADAPTER}/{name}" if name in OF_ADAPTER else name)
        target.parent.mkdir(exist_ok=True)
        shutil.move(path, target)
