"""The run folder: its name, its files, and the one process that writes it at a time."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch.distributed as dist

from scionwood.errors import ScionwoodError, TrainingError
from scionwood.runs.layout import BASE, RECIPE, refuse_used
from scionwood.runs.manifest import remove_manifest
from scionwood.training.launch import Job, is_first, job, many
from scionwood_sandbox.files import writing

LAST = "checkpoints/last.ckpt"
"""The checkpoint to resume from, inside the run folder."""
BEST = "checkpoints/best.ckpt"
"""The weights with the best validation, inside the run folder."""
RESUME = "Then resume from the last checkpoint, which is whole"
"""The remedy after a failed write in a run."""
LOCK = ".writer"
"""The file that the writer of the folder locks; the text in it says who that is."""
SHARED = "SCIONWOOD_RUN"
"""The variable in which the first process names the run folder to those that it starts."""
BEFORE = {RECIPE, BASE, LOCK, "tensorboard"}
"""What a run folder holds before the first step."""

_fits: Counter[str] = Counter()
"""How often this process has trained by a recipe: all processes of a job count alike."""
_LOCKED = (errno.EAGAIN, errno.EACCES)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_FAR = 1 << 40  # Windows locks bytes, which nobody may read then: one that the file does not have
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def run_folder(name: str, run_dir: Path | None, resume: Path | None) -> tuple[Path, bool]:
    """Return the folder of a run, created if it is missing, and whether it is to be continued.

    Without `run_dir` a new folder is made under `runs/`. Under torchrun and srun it has the name of
    the recipe and of the job. A job that its launcher has restarted continues its own run.
    Elsewhere it has the name of the recipe and the time.

    Raises:
        OutputExistsError: the folder holds another run.
        WriteError: the folder cannot be made.
        TrainingError: `resume` holds no run, or several processes could not agree on a name.
    """
    launched = job() if run_dir is None and resume is None else None
    if launched is not None:
        return _folder_of_job(name, launched)
    if dist.is_available() and dist.is_initialized():
        box = [_choose_folder(name, run_dir, resume) if dist.get_rank() == 0 else None]
        dist.broadcast_object_list(box)
        return Path(str(box[0])), resume is not None
    if not is_first() and SHARED in os.environ:
        return Path(os.environ[SHARED]), resume is not None
    return _choose_folder(name, run_dir, resume), resume is not None


@contextmanager
def shared(folder: Path, *, is_new: bool = False) -> Iterator[None]:
    """Name the folder to the processes that the trainer starts inside the block, and lock it.

    The manifest of a run that goes on is removed, since its files change. If a new run is refused
    before its first step, such as for its data, the recipe is removed again.
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
            if is_new:
                _remove_first_files(folder)
            raise
        finally:
            os.environ.pop(SHARED, None)


@contextmanager
def empty_if_refused(folder: Path, *, created: bool) -> Iterator[None]:
    """Remove the folder if the block refuses and leaves it empty.

    Args:
        folder: the run folder.
        created: whether this run made the folder. One of the caller stays.
    """
    try:
        yield
    except ScionwoodError:
        if created and is_first() and not any(folder.iterdir()):
            folder.rmdir()
        raise


def _remove_first_files(folder: Path) -> None:
    """Remove what was written before the first step; a folder with anything else stays whole."""
    entries = list(folder.iterdir())
    if {path.name for path in entries} <= BEFORE:
        for path in entries:
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()


def _folder_of_job(name: str, launched: Job) -> tuple[Path, bool]:
    stem = f"{name.replace('/', '-')}-{launched.name}"
    _fits[stem] += 1
    folder = Path("runs") / (stem if _fits[stem] == 1 else f"{stem}-{_fits[stem]}")
    # Only the first process looks: the others may come when it has written its recipe already.
    if is_first() and not launched.restarted:
        refuse_used(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    # No process can come after the first checkpoint, which needs all of them.
    return folder.resolve(), launched.restarted and (folder / LAST).exists()


def _choose_folder(name: str, run_dir: Path | None, resume: Path | None) -> Path:
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
        refuse_used(run_dir)
    with writing(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
    return run_dir.resolve()


def _unused(folder: Path) -> Path:
    names = [folder, *(folder.with_name(f"{folder.name}-{n}") for n in range(2, 1000))]
    return next(name for name in names if not name.exists())


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder inside the block.

    The system drops the lock of a process that ends, a killed one too, whose file then stays.
    Processes that it started, such as those of a data loader, do not keep the lock.
    """
    path = folder / LOCK
    while (file := _open_locked(path)) is None:
        pass
    try:
        yield
    finally:
        try:
            if os.name != "nt":  # Windows removes no open file
                path.unlink(missing_ok=True)
        finally:
            os.close(file)


def _open_locked(path: Path) -> int | None:
    """Return the locked file, or `None` if the previous writer has removed it meanwhile."""
    with writing(path):
        file = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
    is_ours = False
    try:
        _lock_or_refuse(file, path.parent)
        is_ours = os.fstat(file).st_nlink > 0
        if is_ours:
            _write_owner(file, f"process {os.getpid()} on {socket.gethostname()}")
    finally:
        if not is_ours:
            os.close(file)
    return file if is_ours else None


def _lock_or_refuse(file: int, folder: Path) -> None:
    try:
        _lock(file)
    except OSError as error:
        if error.errno in _LOCKED:
            os.lseek(file, 0, os.SEEK_SET)
            writer = os.read(file, 200).decode("utf-8", "replace") or "another process"
            rule = f"{writer} trains in this folder"
            remedy = "Wait for it or stop it, or choose another folder: --run FOLDER"
            raise TrainingError(f"run {folder}", rule, remedy) from error
        if error.errno not in _NO_LOCKS:
            raise
        note = f"{folder}: this file system has no locks ({error.strerror}). "
        warnings.warn(f"{note}Let no second process train in this folder", stacklevel=2)


def _lock(file: int) -> None:
    # Not flock(2): a child inherits its lock, so the workers of a killed process would keep it.
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write_owner(file: int, text: str) -> None:
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, text.encode())
