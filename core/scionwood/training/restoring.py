"""Name the checkpoint when a run cannot go on from its state."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any

import torch

from scionwood.adapters import stated_identity
from scionwood.errors import ScionwoodError, TrainingError
from scionwood.training.checkpoint import read_checkpoint
from scionwood.training.state import check_state
from scionwood.training.task import Task
from scionwood.training.threads import use_threads

_PLACES = (Path(__file__).parents[1], Path(str(sysconfig.get_path("stdlib"))))
_PACKAGES = frozenset(
    {"scionwood", "lightning", "lightning_utilities", "torch", "torchdata", "packaging"}
)
_INSTALLED = frozenset({"site-packages", "dist-packages"})


@contextmanager
def restoring(start: Path | None) -> Iterator[None]:
    """Turn an exception over the state in a checkpoint into a `TrainingError` that names the file.

    Optimizers, schedulers, loops and callbacks load any state, and raise nearly any exception when
    they use it. An exception counts as one over the state if it is raised before the run writes the
    checkpoint anew, and if no code of a task, of a plugin or of another package takes part.

    Args:
        start: the checkpoint that the run resumes; `None` changes nothing.

    Raises:
        TrainingError: naming the checkpoint; the exception is its cause.
    """
    before = _written(start)
    try:
        yield
    except (ScionwoodError, OSError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # see above: of any class
        if start is None or _written(start) != before or not _framework(error.__traceback__):
            raise
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise TrainingError(
            f"checkpoint {start}",
            f"the run cannot go on from its state ({reason})",
            "Use another one of the run's checkpoints, or start a new run",
        ) from error


def check_start(task: Task, start: Path) -> int:
    """Refuse a checkpoint of another base or of another state, and return its step.

    Here and not only in the task's hook: a sharded strategy loads before the hook is called.

    Args:
        task: the task that goes on.
        start: the checkpoint.

    Raises:
        TrainingError: naming the checkpoint.
    """
    checkpoint = read_checkpoint(start)
    sha256 = checkpoint.get("base_sha256")
    base = stated_identity({**checkpoint, "base": {"sha256": sha256}})
    if base is None or not task.base.matches(base):
        rule = f"it was trained on the base {sha256}, this one is {task.base.sha256}"
        remedy = "Build the backbone with the weights, size and seed that it was trained with"
        raise TrainingError(f"checkpoint {start}", rule, remedy)
    with restoring(start):
        check_state(task, checkpoint["state_dict"])
        check_callbacks(checkpoint.get("callbacks"))
        use_threads(checkpoint.get("threads"))
        return int(checkpoint["global_step"])


def check_callbacks(states: Any) -> None:
    """Refuse the state of an `EarlyStopping` that would fail only when the next validation ends.

    By then the run has written its checkpoint anew, so that `restoring` no longer names it.

    Args:
        states: the states of the callbacks in a checkpoint, by name.

    Raises:
        TypeError: a value is of a wrong type; inside `restoring` it is a `TrainingError`.
    """
    for name, state in states.items() if isinstance(states, Mapping) else ():
        if not str(name).startswith("EarlyStopping") or not isinstance(state, Mapping):
            continue
        best = state.get("best_score")
        if not isinstance(best, torch.Tensor) or best.numel() != 1:
            raise TypeError(f"the best_score of EarlyStopping is {best!r:.40}, not one number")
        for key in ("wait_count", "stopped_epoch", "patience"):
            if not isinstance(state.get(key), int):
                raise TypeError(f"the {key} of EarlyStopping is no whole number")


def _written(start: Path | None) -> int:
    try:
        return 0 if start is None else start.stat().st_mtime_ns
    except OSError:  # it was replaced or removed
        return 0


def _framework(traceback: TracebackType | None) -> bool:
    files = (frame.f_code.co_filename for frame, _ in walk_tb(traceback))
    paths = (Path(file) for file in files)
    return all(_known(path) for path in paths if path.is_absolute())  # others: compiled, generated


def _known(file: Path) -> bool:
    parts = file.parts
    for at, part in enumerate(parts[:-1]):
        if part in _INSTALLED:
            return parts[at + 1] in _PACKAGES
    return any(file.is_relative_to(place) for place in _PLACES)
