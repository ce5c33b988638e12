"""What processes do that a test starts, and may kill."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

import torch
from matplotlib.figure import Figure
from PIL import Image

from scionwood.errors import TrainingError
from scionwood.recipes.recipe import resolve
from scionwood.training import fit
from scionwood.training.run_folder import only_writer


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


def hold(folder: Path, told: Connection) -> None:
    """Start a child that outlives the writer, as a worker of a loader does for some seconds."""
    with only_writer(folder):
        told.send(subprocess.Popen(["sleep", "60"], close_fds=False).pid)
        time.sleep(60)


def take_turns(folder: Path) -> None:
    """Write into a folder 30 times, each time as its only writer."""
    done = 0
    while done < 30:
        try:
            with only_writer(folder):
                (folder / "inside").mkdir()  # fails if the other process is inside
                (folder / "inside").rmdir()
                done += 1
        except TrainingError:
            pass
