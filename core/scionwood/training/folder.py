"""The run folder: its name, and how the processes that train together agree on it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch.distributed as dist

from scionwood.errors import OutputExistsError, TrainingError
from scionwood.runs.layout import RECIPE

SHARED = "SCIONWOOD_RUN"
"""The variable in which the first process names the run folder to those that it starts."""


def run_folder(name: str, run_dir: Path | None, resume: Path | None) -> Path:
    """Return the folder of a run, created if it is missing.

    Args:
        name: the name of the recipe, for a new folder under `runs/`.
        run_dir: the folder of a new run; `None` means a new folder under `runs/`.
        resume: the folder of a run to continue.

    Raises:
        OutputExistsError: `run_dir` holds another run.
        TrainingError: `resume` holds no run, or several processes could not agree on a name.
    """
    if dist.is_available() and dist.is_initialized():
        box = [_choose(name, run_dir, resume) if dist.get_rank() == 0 else None]
        dist.broadcast_object_list(box)
        return Path(str(box[0]))
    if not _first() and SHARED in os.environ:
        return Path(os.environ[SHARED])
    return _choose(name, run_dir, resume)


@contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Name the folder to the processes that the trainer starts inside the block."""
    if not _first():
        yield
        return
    os.environ[SHARED] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(SHARED, None)


def _choose(name: str, run_dir: Path | None, resume: Path | None) -> Path:
    if resume is not None:
        if not (resume / RECIPE).is_file():
            raise TrainingError(f"run {resume}", f"it has no {RECIPE}", "Name a run's folder")
        return resume.resolve()
    if run_dir is None:
        if any(int(os.environ.get(key, "1")) > 1 for key in ("WORLD_SIZE", "SLURM_NTASKS")):
            rule = "processes of another launcher cannot agree on a name"
            raise TrainingError("run folder", rule, "Choose it: --run FOLDER")
        run_dir = _unused(
            Path("runs") / f"{name.replace('/', '-')}-{time.strftime('%Y%m%d-%H%M%S')}"
        )
    elif (run_dir / RECIPE).exists() and _first():
        remedy = f"Choose another folder, or continue it: --resume {run_dir}"
        raise OutputExistsError(str(run_dir), "it holds a run already", remedy)
    run_dir.mkdir(parents=True, exist_ok=True)
    return run_dir.resolve()


def _unused(folder: Path) -> Path:
    names = [folder, *(folder.with_name(f"{folder.name}-{n}") for n in range(2, 1000))]
    return next(name for name in names if not name.exists())


def _first() -> bool:
    ranks = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    return all(int(os.environ.get(name, "0")) == 0 for name in ranks)
