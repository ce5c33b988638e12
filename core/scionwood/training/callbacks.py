"""What the core adds to every run: checkpoints at exact points, random state, the NaN guard."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, final

import lightning as L
import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback, Checkpoint
from torch import Tensor
from torch.distributed.tensor import DTensor

from scionwood.errors import TrainingError
from scionwood.training.checkpoint import FOLDER
from scionwood.training.stop import StopSignals


class StopRequested(SystemExit):
    """Raised inside the trainer after a signal, once the checkpoint is on disk."""


@final
class RunCheckpoint(Checkpoint):
    """Write `last.ckpt` where a resume is exact, and `best.ckpt` by the task's monitor.

    These points are: after an optimiser step that no validation follows, after a validation
    within an epoch, and after an epoch. `best.ckpt` holds weights only.

    Args:
        every_n_steps: optimiser steps between checkpoints, beside those after a validation.
    """

    def __init__(self, *, every_n_steps: int = 100) -> None:
        self.every_n_steps = every_n_steps
        self.stop = StopSignals()
        self.best: float | None = None
        self._folder = Path()
        self._saved_at: int | None = None
        self._epoch_done = False

    @property
    def last(self) -> Path:
        """Where the checkpoint to resume from is written."""
        return self._folder / "last.ckpt"

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Find the run folder."""
        self._folder = Path(trainer.default_root_dir) / FOLDER

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen to signals."""
        self.stop.install(trainer)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Stop listening to signals."""
        self.stop.restore()

    def state_dict(self) -> dict[str, Any]:
        """The best score so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best score of the run that is resumed."""
        self.best = state_dict["best"]

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Save after every n-th optimiser step, unless a validation or the epoch's end follows."""
        loop = trainer.fit_loop
        if trainer.is_last_batch or loop._should_accumulate():
            return
        # Lightning's own question; a resume from before a due validation would skip it.
        if loop.epoch_loop._should_check_val_fx(loop._data_fetcher):
            return
        finished = trainer.global_step == trainer.max_steps
        self._point(trainer, finished or trainer.global_step % self.every_n_steps == 0)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the best weights; within an epoch save the last too."""
        if trainer.sanity_checking:
            return
        self._save_best(trainer, pl_module)
        if not trainer.is_last_batch:
            self._point(trainer, due=True)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save after a whole epoch."""
        if trainer.is_last_batch:
            self._epoch_done = True
            self._point(trainer, due=True)
            self._epoch_done = False

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """At the end of an epoch leave out the loader's position: the next epoch starts afresh."""
        if self._epoch_done:
            checkpoint["loops"]["fit_loop"]["state_dict"].pop("combined_loader", None)

    def _point(self, trainer: L.Trainer, due: bool) -> None:
        asked = self.stop.asked(trainer)
        if (due or asked) and self._saved_at != trainer.global_step:
            refuse_non_finite(trainer, "weights")
            trainer.save_checkpoint(self.last)
            self._saved_at = trainer.global_step
        if asked and self.stop.received:
            raise StopRequested(128 + self.stop.received)

    def _save_best(self, trainer: L.Trainer, task: Any) -> None:
        score = trainer.callback_metrics.get(task.monitor)
        if score is None or not torch.isfinite(score):
            return
        sign = 1.0 if task.mode == "min" else -1.0
        if self.best is None or sign * float(score) < sign * self.best:
            self.best = float(score)
            refuse_non_finite(trainer, "weights")
            trainer.save_checkpoint(self._folder / "best.ckpt", weights_only=True)


@final
class NanGuard(Callback):
    """Stop before an optimiser step whose losses or gradients are not finite.

    The device is asked once a step. With float16 the gradient scaler skips such steps itself,
    so that only the losses are looked at.
    """

    def __init__(self) -> None:
        self._losses: list[Tensor] = []

    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        """Remember the loss of a batch."""
        self._losses.append(loss.detach())

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Look at the losses since the last step and at the gradients.

        Raises:
            TrainingError: naming the step and the last good checkpoint.
        """
        losses, self._losses = torch.stack(self._losses), []
        bad = ~torch.isfinite(losses).all()
        if getattr(trainer.precision_plugin, "scaler", None) is None:
            bad = bad | ~_finite([p.grad for p in pl_module.parameters() if p.grad is not None])
        if bad:
            what = "gradient" if torch.isfinite(losses).all() else f"loss {losses.tolist()}"
            raise _spoilt(trainer, what, trainer.global_step + 1)


@final
class RandomState(Callback):
    """Save and restore the random generators of every process, and whether training was to stop."""

    def __init__(self) -> None:
        self._restored: dict[str, Any] | None = None

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Gather the states of all processes."""
        states: list[Any] = [_random_state()] * trainer.world_size
        if trainer.world_size > 1:
            dist.all_gather_object(states, _random_state())
        checkpoint["scionwood"] = {"random": states, "should_stop": trainer.should_stop}

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Remember the states until training starts."""
        self._restored = checkpoint["scionwood"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Restore this process's state; a run on more processes than before seeds the others."""
        if self._restored is None:
            return
        trainer.should_stop = self._restored["should_stop"]
        states = self._restored["random"]
        if trainer.global_rank < len(states):
            _set_random_state(states[trainer.global_rank])
        self._restored = None


def refuse_non_finite(trainer: L.Trainer, what: str) -> None:
    """Keep spoilt weights out of the checkpoints.

    Raises:
        TrainingError: a trainable weight is not finite.
    """
    trained = [p.detach() for p in trainer.lightning_module.parameters() if p.requires_grad]
    if not _finite(trained):
        raise _spoilt(trainer, what, trainer.global_step)


def _finite(tensors: list[Tensor]) -> Tensor:
    local = [t.to_local() if isinstance(t, DTensor) else t for t in tensors]
    if not local:
        return torch.tensor(True)
    return torch.stack([torch.isfinite(t).all() for t in local]).all()


def _spoilt(trainer: L.Trainer, what: str, step: int) -> TrainingError:
    found = [c for c in trainer.checkpoint_callbacks if isinstance(c, RunCheckpoint)]
    good = f"The last good checkpoint is {found[0].last}" if found and found[0].last.exists() else (
        "No checkpoint has been written yet"
    )
    return TrainingError(
        f"{what} at step {step}",
        "every value must be finite",
        f"{good}. Lower task.lr, clip with trainer.gradient_clip_val, or look for NaN in the data",
    )


def _random_state() -> dict[str, Any]:
    kind, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
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
