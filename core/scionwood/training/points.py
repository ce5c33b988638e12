"""The points at which a run is saved, and at which it stops when asked to."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, final

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint

from scionwood.training.averages import average_of
from scionwood.training.checkpoint import BEST, LAST
from scionwood.training.guard import refuse_non_finite
from scionwood.training.stop import StopSignals


class StopRequested(SystemExit):
    """Raised inside the trainer after a signal, once the checkpoint is on disk."""


@final
class RunCheckpoint(Checkpoint):
    """Write `last.ckpt` at points from which a resume is exact, and `best.ckpt` by the monitor.

    These points are: after an optimiser step that no validation follows, after a validation
    within an epoch, and after an epoch. None lies between accumulated gradients, because a
    checkpoint does not hold them. `best.ckpt` holds weights only.

    If the run has an average of its weights, `best.ckpt` holds that. Once the average has begun,
    weights that are none no longer compete with it.

    Args:
        every_n_steps: optimiser steps between checkpoints, in addition to those after a validation.

    Attributes:
        best: the best value of the monitor so far.
        weights: what `best.ckpt` holds, if it is an average.
    """

    def __init__(self, *, every_n_steps: int = 100) -> None:
        self.every_n_steps = every_n_steps
        self.stop = StopSignals()
        self.best: float | None = None
        self.weights = ""
        self._run = Path()
        self._saved_at: int | None = None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Store the run folder."""
        self._run = Path(trainer.default_root_dir)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Install the handlers of signals."""
        self.stop.install()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Restore the handlers; Lightning does not call `teardown` after an exception."""
        self.stop.restore()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Restore the handlers of signals."""
        self.stop.restore()

    def state_dict(self) -> dict[str, Any]:
        """Return the best score so far, and what had it."""
        return {"best": self.best, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Set the best score to that of the run that is resumed."""
        self.best, self.weights = state_dict["best"], state_dict.get("weights", "")

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Save after every n-th optimiser step, unless a validation or the epoch's end follows."""
        loop = trainer.fit_loop
        if trainer.is_last_batch or loop._should_accumulate():
            return
        # Lightning's own test: a resume from before a validation that is due would skip it.
        fetcher = loop._data_fetcher
        if fetcher is not None and loop.epoch_loop._should_check_val_fx(fetcher):
            return
        due = trainer.should_stop or trainer.global_step % self.every_n_steps == 0
        self._point(trainer, due)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the best weights; within an epoch save the last too."""
        if trainer.sanity_checking:
            return
        self._save_best(trainer, pl_module)
        if not trainer.is_last_batch and not trainer.fit_loop._should_accumulate():
            self._point(trainer, due=True)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save after a whole epoch."""
        if trainer.is_last_batch:
            self._point(trainer, due=True)

    def _point(self, trainer: L.Trainer, due: bool) -> None:
        asked = self.stop.asked(trainer)
        if (due or asked) and self._saved_at != trainer.global_step:
            refuse_non_finite(trainer)
            trainer.save_checkpoint(self._run / LAST)
            self._saved_at = trainer.global_step
            if self.best is None and average_of(trainer):  # no validation will choose
                self._write_best(trainer)
        if asked and self.stop.received:
            raise StopRequested(128 + self.stop.received)

    def _save_best(self, trainer: L.Trainer, task: Any) -> None:
        score = trainer.callback_metrics.get(task.monitor)
        if score is None or not torch.isfinite(score):
            return
        if average_of(trainer) and not self.weights:
            self.best = None
        sign = 1.0 if task.mode == "min" else -1.0
        if self.best is None or sign * float(score) < sign * self.best:
            self.best = float(score)
            refuse_non_finite(trainer)
            self._write_best(trainer)

    def _write_best(self, trainer: L.Trainer) -> None:
        average = average_of(trainer)
        with average.applied(trainer.lightning_module) if average else nullcontext():
            trainer.save_checkpoint(self._run / BEST, weights_only=True)
        self.weights = average.label if average else ""


def run_checkpoint(trainer: L.Trainer) -> RunCheckpoint:
    """Return the callback that saves the run; every run has one."""
    return next(c for c in trainer.checkpoint_callbacks if isinstance(c, RunCheckpoint))


def exported(trainer: L.Trainer) -> str:
    """Return what average of the weights a run exports, in words; empty if none."""
    return run_checkpoint(trainer).weights
