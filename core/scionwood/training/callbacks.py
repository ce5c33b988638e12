"""The state of a run that Lightning does not save."""

from __future__ import annotations

import random
import warnings
from typing import Any, final

import lightning as L
import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback, Timer

from scionwood.errors import TrainingError
from scionwood.training.loader import InexactResumeWarning, resumable


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
        """Restore the state of this process; a process without a saved state keeps its seed.

        Raises:
            TrainingError: the checkpoint has another number of optimizers or schedules.
        """
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
    own = len(trainer.optimizers), len(trainer.lr_scheduler_configs)
    if own != saved:
        rule = "the run cannot go on from its state (optimizers, schedules: "
        rule += f"{saved} in the checkpoint, {own} in the run)"
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
