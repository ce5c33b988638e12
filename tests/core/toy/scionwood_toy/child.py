"""A fit in a process of its own, which a test may kill."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import torch
from matplotlib.figure import Figure
from PIL import Image

from scionwood.recipes.recipe import resolve
from scionwood.training import fit


def save_blank(figure: Figure, target: Path | IO[bytes], **_: Any) -> None:
    """Write a picture of one pixel: drawing is two thirds of the cost of a short run."""
    if isinstance(target, Path):
        Image.new("RGB", (1, 1)).save(target, "png")


def fit_here(
    overrides: Sequence[str], run_dir: Path | None, resume: Path | None, env: Mapping[str, str]
) -> None:
    """Train the toy recipe in this process.

    Args:
        overrides: of the recipe.
        run_dir: the folder of a new run.
        resume: the folder of a run to continue.
        env: variables of this process alone.
    """
    os.environ.update(env)
    torch.set_num_threads(1)
    Figure.savefig = save_blank  # type: ignore[method-assign]
    fit(resolve("toy/regress", overrides), run_dir=run_dir, resume=resume)
