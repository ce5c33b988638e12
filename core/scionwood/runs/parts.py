"""The files of a run that are shared: no checkpoint, no pickle and no code.

Others get a run as a plain peft repository: the files of `adapter/` are at the top, and those of
Scionwood beside them. A repository on the hub and a zip archive have the same content.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from scionwood.errors import AdapterFileError
from scionwood.runs.layout import (
    ADAPTER,
    CARD,
    HEAD,
    MANIFEST,
    METRICS,
    NOTE,
    ORIGIN,
    RECIPE,
)

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
OF_ADAPTER = (CONFIG, TENSORS, MANIFEST)
AT_TOP = (HEAD, RECIPE, CARD, METRICS, ORIGIN)
FIGURE = re.compile(r"figures/[A-Za-z0-9][\w.-]*\.png")
FIGURES = 64
"""The most figures of a shared run."""

_SMALL = 16 << 20
_LARGEST = {TENSORS: 16 << 30, HEAD: 16 << 30, METRICS: 256 << 20}  # bytes


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
