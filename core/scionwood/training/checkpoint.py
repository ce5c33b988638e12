"""Checkpoints: what is in them, when they are written, and reading without running code in them."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, final

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import CheckpointIO
from torch import Tensor, nn

from scionwood.errors import ReadError, TrainingError
from scionwood.training.averages import average_of
from scionwood.training.guard import refuse_non_finite
from scionwood.training.run_folder import BEST, LAST, RESUME
from scionwood.training.stop import StopSignals
from scionwood.training.weights import load_tensors
from scionwood_sandbox.files import atomic_path, writing
from scionwood_sandbox.regular import open_regular


@final
class SafeCheckpointIO(CheckpointIO):
    """Writes a temporary file in the target's folder, then renames it; reads tensors only.

    Lightning's own class writes to TMPDIR first, which is often on another file system. A process
    that is killed during the copy from there leaves half a checkpoint.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            WriteError: the disk is full or not writable; the previous checkpoint is untouched.
        """
        buffer = io.BytesIO()  # in memory first, because torch hides the errno of a failed write
        torch.save(checkpoint, buffer)
        with (
            writing(f"checkpoint {path}", then=RESUME),
            atomic_path(Path(path)) as part,
            buffer.getbuffer() as view,
            part.open("wb") as file,
        ):
            file.write(view)

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint from a local disk; `weights_only` is always on."""
        return read_checkpoint(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint if it exists."""
        Path(path).unlink(missing_ok=True)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU; only tensors and plain data are created.

    Raises:
        TrainingError: a remote address, a link or a device, a damaged file, or one that holds more
            than tensors.
    """
    if "://" in str(path):
        rule = "checkpoints are read from this machine's disk only"
        raise TrainingError(f"checkpoint {path}", rule, "Download it, if you trust who made it")
    damaged = TrainingError(
        f"checkpoint {path}",
        "it is damaged or holds more than tensors and plain data",
        "Use another one of the run's checkpoints",
    )
    try:
        with open_regular(path) as file:
            is_archive = zipfile.is_zipfile(file)  # on some bytes it raises BadZipFile
            file.seek(0)
            checkpoint = load_tensors(file) if is_archive else None
    except TrainingError:
        raise
    except ReadError as error:
        raise TrainingError(f"checkpoint {path}", error.rule, error.remedy) from error
    except Exception as error:  # hostile bytes can raise any exception; it is kept as the cause
        raise damaged from error
    if not is_archive:
        raise damaged
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise TrainingError(f"checkpoint {path}", "it has no state_dict", "Is this the right file?")
    return checkpoint


def clean_debris(run: Path, *, is_new: bool) -> None:
    """Remove the temporary files of a killed process; a new start also removes `best.ckpt`."""
    if is_new:
        (run / BEST).unlink(missing_ok=True)
    for part in (run / LAST).parent.glob(".*.ckpt"):
        part.unlink(missing_ok=True)


def trained_keys(module: nn.Module) -> set[str]:
    """Return the state-dict keys that training changes: trainable parameters and their buffers.

    A buffer belongs to the nearest enclosing module that has parameters. The running statistics
    of a trained head are included, those of a frozen layer are not.
    """
    parameters = dict(module.named_parameters(remove_duplicate=False))
    trained = {key for key, parameter in parameters.items() if parameter.requires_grad}
    inside = {scope for key in trained for scope in _scopes(key)}
    with_parameters = {scope for key in parameters for scope in _scopes(key)}
    buffers = module.state_dict().keys() - parameters.keys()
    for key in buffers:
        nearest = next(scope for scope in reversed(_scopes(key)) if scope in with_parameters)
        trained |= {key} if nearest in inside else set()
    return trained


def check_state(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Check that a checkpoint holds exactly the entries that train in this module.

    Raises:
        TrainingError: naming the first keys that are missing, unknown or of another shape.
    """
    current = module.state_dict()
    keys = trained_keys(module)
    wrong = {
        "missing": sorted(keys - state.keys()),
        "unknown": sorted(state.keys() - keys),
        "of another shape": sorted(
            key for key in keys & state.keys() if current[key].shape != state[key].shape
        ),
    }
    lists = (f"{kind}: {', '.join(names[:3])}" for kind, names in wrong.items() if names)
    differences = "; ".join(lists)
    if differences:
        raise TrainingError(
            f"checkpoint with keys {differences}",
            "it must hold exactly the entries that train in this model",
            "Resume with the recipe that wrote it, recipe.yaml in the run folder",
        )


def _scopes(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:end]) for end in range(len(parts))]


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
        must_stop = self.stop.is_requested(trainer)
        if (due or must_stop) and self._saved_at != trainer.global_step:
            refuse_non_finite(trainer)
            trainer.save_checkpoint(self._run / LAST)
            self._saved_at = trainer.global_step
            if self.best is None and average_of(trainer):  # no validation will choose
                self._write_best(trainer)
        if must_stop and self.stop.received:
            raise StopRequested(128 + self.stop.received)

    def _save_best(self, trainer: L.Trainer, task: Any) -> None:
        score = trainer.callback_metrics.get(task.monitor)
        if score is None or not torch.isfinite(score):
            if score is not None and self.best is None:
                refuse_non_finite(trainer)  # weights that are not finite are the likelier cause
                warnings.warn(
                    f"{task.monitor} is {float(score)}: this validation chooses no weights. Has "
                    "its split a sample on which the value is defined?",
                    stacklevel=2,
                )
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
