"""Resume a run exactly: the state that Lightning does not save, and errors that name the file."""

from __future__ import annotations

import random
import sysconfig
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any, final

import lightning as L
import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback, Timer

from scionwood.adapters import stated_identity
from scionwood.errors import ScionwoodError, TrainingError
from scionwood.training.checkpoint import check_state, read_checkpoint
from scionwood.training.loader import InexactResumeWarning, resumable
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
    """
    before = _write_time(start)
    try:
        yield
    except (ScionwoodError, OSError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # see above: of any class
        if (
            start is None
            or _write_time(start) != before
            or not _is_from_framework(error.__traceback__)
        ):
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


def _write_time(start: Path | None) -> int:
    try:
        return 0 if start is None else start.stat().st_mtime_ns
    except OSError:  # it was replaced or removed
        return 0


def _is_from_framework(traceback: TracebackType | None) -> bool:
    files = (frame.f_code.co_filename for frame, _ in walk_tb(traceback))
    paths = (Path(file) for file in files)
    return all(
        _is_framework_file(path) for path in paths if path.is_absolute()
    )  # others: compiled, generated


def _is_framework_file(file: Path) -> bool:
    parts = file.parts
    for at, part in enumerate(parts[:-1]):
        if part in _INSTALLED:
            return parts[at + 1] in _PACKAGES
    return any(file.is_relative_to(place) for place in _PLACES)


@final
class RunState(Callback):
    """Save and restore the random generators of every process; stop after the task's `max_steps`.

    With Lightning's own `max_steps` a run that stopped at the end of an epoch would repeat the
    order of its first epoch when it is resumed. Stopping here also runs a last validation.
    """

    def __init__(self) -> None:
        self._restored: dict[str, Any] | None = None
        self._parts = (0, 0)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Ask the trainer to stop when all steps have been taken."""
        if _steps_taken(trainer):
            trainer.should_stop = True

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Gather the states of the generators of all processes."""
        states: list[Any] = [_random_state()] * trainer.world_size
        if trainer.world_size > 1:
            dist.all_gather_object(states, _random_state())
        early = trainer.should_stop and not _steps_taken(trainer) and not _time_is_up(trainer)
        checkpoint["scionwood"] = {"random": states, "stopped_early": early}

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the states until training starts."""
        self._restored = checkpoint.get("scionwood")
        names = ("optimizer_states", "lr_schedulers")
        first, second = (len(checkpoint.get(name, ())) for name in names)
        self._parts = first, second

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Restore the state of this process; a process without a saved state keeps its seed."""
        if self._restored is not None:
            _check_parts(trainer, self._parts)
            states = self._restored["random"]
            if trainer.global_rank < len(states):
                _set_random_state(states[trainer.global_rank])
            trainer.should_stop = self._restored["stopped_early"]
            self._restored = None
        trainer.should_stop |= _steps_taken(trainer)
        _warn_of_inexact_resume(trainer)


def _check_parts(trainer: L.Trainer, saved: tuple[int, int]) -> None:
    # Lightning restores as many as there are on both sides; the others would start anew in silence.
    present = len(trainer.optimizers), len(trainer.lr_scheduler_configs)
    if present != saved:
        rule = "the run cannot go on from its state (optimizers, schedules: "
        rule += f"{saved} in the checkpoint, {present} in the run)"
        remedy = "Resume with the recipe that wrote it, or start a new run"
        raise TrainingError(f"checkpoint {trainer.ckpt_path}", rule, remedy)


def _warn_of_inexact_resume(trainer: L.Trainer) -> None:
    reason = resumable(trainer.train_dataloader)
    if reason is not None and trainer.is_global_zero:
        source = getattr(trainer, "datamodule", None) or trainer.lightning_module
        warnings.warn(
            f"train_dataloader of {type(source).__name__}: {reason}, so that a run that is stopped "
            "within an epoch does not continue exactly. Use scionwood.authoring.DataLoader",
            InexactResumeWarning,
            stacklevel=2,
        )


def _steps_taken(trainer: L.Trainer) -> bool:
    limit = getattr(trainer.lightning_module, "max_steps", -1)
    return 0 <= limit <= trainer.global_step


def _time_is_up(trainer: L.Trainer) -> bool:
    timers = [c for c in trainer.callbacks if isinstance(c, Timer)]  # type: ignore[attr-defined]
    return any((timer.time_remaining() or 1.0) <= 0 for timer in timers)


def _random_state() -> dict[str, Any]:
    numpy: Any = np.random.get_state()  # noqa: NPY002  # a task may draw from this generator
    kind, keys, position, has_gauss, gauss = numpy
    return {
        "python": random.getstate(),
        "numpy": (str(kind), keys.tolist(), int(position), int(has_gauss), float(gauss)),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
