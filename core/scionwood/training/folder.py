"""The run folder: its name, and how the processes that train together agree on it."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch.distributed as dist

from scionwood.errors import OutputExistsError, ScionwoodError, TrainingError
from scionwood.runs.layout import BASE, RECIPE
from scionwood.runs.manifest import remove_manifest
from scionwood.training.checkpoint import LAST
from scionwood.training.launch import Job, is_first, job, many
from scionwood.training.lock import NAME as LOCK
from scionwood.training.lock import only_writer
from scionwood_sandbox.files import writing

SHARED = "SCIONWOOD_RUN"
"""The variable in which the first process names the run folder to those that it starts."""
BEFORE = {RECIPE, BASE, LOCK, "tensorboard"}
"""What a run folder holds before the first step."""
_fits: Counter[str] = Counter()
"""How often this process has trained by a recipe: all processes of a job count alike."""


def run_folder(name: str, run_dir: Path | None, resume: Path | None) -> tuple[Path, bool]:
    """Return the folder of a run, created if it is missing, and whether it is to be continued.

    Without `run_dir` a new folder is made under `runs/`. Under torchrun and srun it has the name of
    the recipe and of the job. A job that its launcher has restarted continues its own run.
    Elsewhere it has the name of the recipe and the time.

    Args:
        name: the name of the recipe.
        run_dir: the folder of a new run; `None` means a new folder under `runs/`.
        resume: the folder of a run to continue.

    Raises:
        OutputExistsError: the folder holds another run.
        WriteError: the folder cannot be made.
        TrainingError: `resume` holds no run, or several processes could not agree on a name.
    """
    launched = job() if run_dir is None and resume is None else None
    if launched is not None:
        return _of_job(name, launched)
    if dist.is_available() and dist.is_initialized():
        box = [_choose(name, run_dir, resume) if dist.get_rank() == 0 else None]
        dist.broadcast_object_list(box)
        return Path(str(box[0])), resume is not None
    if not is_first() and SHARED in os.environ:
        return Path(os.environ[SHARED]), resume is not None
    return _choose(name, run_dir, resume), resume is not None


@contextmanager
def shared(folder: Path, *, fresh: bool = False) -> Iterator[None]:
    """Name the folder to the processes that the trainer starts inside the block, and lock it.

    The manifest of a run that goes on is removed, since its files change. If a fresh run is refused
    before its first step, such as for its data, the recipe is removed again.

    Args:
        folder: the run folder.
        fresh: whether the run starts, and does not go on.

    Raises:
        TrainingError: a process of another training writes to the folder.
    """
    if not is_first():
        yield
        return
    with only_writer(folder):
        remove_manifest(folder)
        os.environ[SHARED] = str(folder)
        try:
            yield
        except ScionwoodError:
            if fresh:
                _take_back(folder)
            raise
        finally:
            os.environ.pop(SHARED, None)


@contextmanager
def empty_if_refused(folder: Path, *, made: bool) -> Iterator[None]:
    """Remove the folder if the block refuses and leaves it empty.

    Args:
        folder: the run folder.
        made: whether this run made the folder. One of the caller stays.
    """
    try:
        yield
    except ScionwoodError:
        if made and is_first() and not any(folder.iterdir()):
            folder.rmdir()
        raise


def _take_back(folder: Path) -> None:
    """Remove what was written before the first step; a folder with anything else stays whole."""
    entries = list(folder.iterdir())
    if {path.name for path in entries} <= BEFORE:
        for path in entries:
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()


def _of_job(name: str, launched: Job) -> tuple[Path, bool]:
    stem = f"{name.replace('/', '-')}-{launched.name}"
    _fits[stem] += 1
    folder = Path("runs") / (stem if _fits[stem] == 1 else f"{stem}-{_fits[stem]}")
    # Only the first process looks: the others may come when it has written its recipe already.
    if is_first() and not launched.restarted:
        _refuse_other(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    # No process can come after the first checkpoint, which needs all of them.
    return folder.resolve(), launched.restarted and (folder / LAST).exists()


def _choose(name: str, run_dir: Path | None, resume: Path | None) -> Path:
    if resume is not None:
        if not (resume / RECIPE).is_file():
            raise TrainingError(f"run {resume}", f"it has no {RECIPE}", "Name a run's folder")
        return resume.resolve()
    if run_dir is None:
        if many():
            rule = "processes of another launcher cannot agree on a name"
            remedy = "Choose it: --run FOLDER. Or start them with torchrun or srun"
            raise TrainingError("run folder", rule, remedy)
        run_dir = _unused(
            Path("runs") / f"{name.replace('/', '-')}-{time.strftime('%Y%m%d-%H%M%S')}"
        )
    elif is_first():
        _refuse_other(run_dir)
    with writing(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
    return run_dir.resolve()


def _refuse_other(folder: Path) -> None:
    if (folder / RECIPE).exists():
        remedy = f"Choose another folder, or continue it: --resume {folder}"
        raise OutputExistsError(str(folder), "it holds a run already", remedy)


def _unused(folder: Path) -> Path:
    names = [folder, *(folder.with_name(f"{folder.name}-{n}") for n in range(2, 1000))]
    return next(name for name in names if not name.exists())
