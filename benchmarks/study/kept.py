"""Tensors that are computed once and kept in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from scionwood.authoring import atomic_path


def cached_tensors(path: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors of a file, which `make` computes if the file is not there yet."""
    if not path.is_file():
        tensors = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part:
            save_file(tensors, part)
    return load_file(path)
