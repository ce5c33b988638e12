"""How a run shows its progress: Lightning's bars, or lines where no bar can be drawn.

Lines of text on stderr are for logs of clusters and of continuous integration.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, final

import lightning as L
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar, TQDMProgressBar

from scionwood.errors import TrainingError

INTERVAL = "SCIONWOOD_PROGRESS_SECONDS"
"""The variable that sets the seconds between two lines."""
_DEFAULT = 30.0


def progress() -> ProgressBar:
    """Return the bar of a terminal or a notebook, or else the callback that prints lines."""
    if in_notebook():
        return NotebookBar()
    return TerminalBar() if sys.stdout.isatty() else TextProgress()


def in_notebook() -> bool:
    """Return whether a kernel of Jupyter runs this code, which has no terminal but can draw."""
    module = sys.modules.get("IPython")
    shell: Callable[[], Any] = getattr(module, "get_ipython", lambda: None)
    return type(shell()).__name__ == "ZMQInteractiveShell"


class Pace:
    """The clock of a training.

    Args:
        start: the step from which it goes on.

    Attributes:
        began: the time of the start, in seconds of the monotonic clock.
    """

    def __init__(self, start: int = 0) -> None:
        self.start, self.began = start, time.monotonic()

    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.began

    def rate(self, step: int) -> float:
        """Return the steps of a second; 0 before the first step."""
        return (step - self.start) / max(self.seconds(), 1e-9)

    def left(self, step: int, total: float) -> str:
        """Return the time to the last step, `0:01:30`; empty if nothing tells it."""
        if step == self.start or not math.isfinite(total):
            return ""
        return _clock((total - step) / self.rate(step))


@final
class TextProgress(ProgressBar):
    """Print a line at the first step, then after the batch that ends an interval, and at the end.

    A line names the epoch, the step, the number of steps, the loss, the rate and the time left.
    Only the first of several processes prints.

    Args:
        interval: seconds between two lines; `None` means SCIONWOOD_PROGRESS_SECONDS, or else 30.
    """

    def __init__(self, interval: float | None = None) -> None:
        super().__init__()
        self.interval = _interval() if interval is None else interval
        self._enabled = True
        self._pace = Pace()
        self._printed = self._pace.began
        self._batches = 0

    def disable(self) -> None:
        """Print nothing."""
        self._enabled = False

    def enable(self) -> None:
        """Print again."""
        self._enabled = True

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock at the step from which a run is resumed."""
        self._start(trainer.global_step)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Print the first step, and a step after an interval."""
        first = (
            trainer.global_step == self._pace.start + 1
            and not trainer.fit_loop._should_accumulate()
        )
        if first or self._due():
            self._print(f"fit: epoch {trainer.current_epoch + 1}, {self._training(trainer)}")

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count the batches of this validation."""
        self._batches = 0

    def on_validation_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Print a batch after an interval."""
        self._batches += 1
        if self._due():
            checking = trainer.sanity_checking
            total = _sum(trainer.num_sanity_val_batches if checking else trainer.num_val_batches)
            what = "check" if checking else f"validation after step {trainer.global_step}"
            self._print(f"fit: {what}, batch {_part(self._batches, total)}")

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the last step with the value that chooses the weights."""
        self._end(trainer, pl_module, "finished")

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Print the step at which a signal stopped a run."""
        if trainer.state.fn == "fit" and isinstance(exception, SystemExit | KeyboardInterrupt):
            self._end(trainer, pl_module, "stopped")

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._batches = 0
        self._start(0)

    def on_test_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Print the first batch, and a batch after an interval."""
        self._batches += 1
        if self._batches == 1 or self._due():
            batch, total = self._batches, _sum(trainer.num_test_batches)
            self._print(f"test: batch {_part(batch, total)}{self._speed('batches', batch, total)}")

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the number of batches and the time."""
        self._print(f"test: finished, {self._batches} batches in {_clock(self._pace.seconds())}")

    def _training(self, trainer: L.Trainer) -> str:
        task: Any = trainer.lightning_module
        step, total = trainer.global_step, float(task.total_steps())
        values = self.get_metrics(trainer, task) | last_loss(trainer)
        losses = [f"{k} {float(v):.4g}" for k, v in values.items() if isinstance(v, float)]
        line = ", ".join([f"step {_part(step, total)}", *losses])
        return line + self._speed("steps", step, total)

    def _end(self, trainer: L.Trainer, task: Any, how: str) -> None:
        values = trainer.callback_metrics
        losses = [
            f"{k} {float(values[k]):.4g}" for k in ("train_loss", task.monitor) if k in values
        ]
        took = f"step {trainer.global_step} after {_clock(self._pace.seconds())}"
        self._print(", ".join([f"fit: {how}", took, *losses]))

    def _speed(self, unit: str, step: int, total: float) -> str:
        rate, left = self._pace.rate(step), self._pace.left(step, total)
        return (f", {rate:.3g} {unit}/s" if rate else "") + (f", {left} left" if left else "")

    def _start(self, step: int) -> None:
        self._pace = Pace(step)
        self._printed = self._pace.began

    def _due(self) -> bool:
        return time.monotonic() - self._printed >= self.interval

    def _print(self, line: str) -> None:
        self._printed = time.monotonic()
        if self._enabled:
            print(line, file=sys.stderr, flush=True)


class _RunSteps(ProgressBar):
    """The optimiser steps of the whole run and the time left, for a bar that shows an epoch."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock at the step from which a run is resumed."""
        super().on_train_start(trainer, pl_module)
        self._pace = Pace(trainer.global_step)

    def get_metrics(self, trainer: L.Trainer, pl_module: Any) -> dict[str, Any]:
        """Return the values that the task shows, then `step` as done/total and the time `left`."""
        values = {k: v for k, v in super().get_metrics(trainer, pl_module).items() if k != "v_num"}
        if not trainer.training:
            return values
        step, total = trainer.global_step, pl_module.total_steps()
        values |= last_loss(trainer)
        if not math.isfinite(total):
            return {**values, "step": str(step)}
        left = self._pace.left(step, total) or "?"
        return {**values, "step": f"{step}/{int(total)}", "left": left}


@final
class TerminalBar(_RunSteps, RichProgressBar):
    """Lightning's bar for the epoch, with the steps of the whole run and the time left."""

    def _get_train_description(self, current_epoch: int) -> str:
        # Lightning's says "Epoch 3/-2" for a run that is limited by steps; padded as "Validation".
        return f"Epoch {current_epoch + 1}".ljust(len(self.validation_description))


@final
class NotebookBar(_RunSteps, TQDMProgressBar):
    """tqdm's bar, which a notebook draws in place, with the steps of the whole run."""


def last_loss(trainer: L.Trainer) -> dict[str, float]:
    """Read the last loss of training from the device.

    A loss that is logged with `prog_bar=True` would be read at every step, shown or not.
    """
    loss = trainer.callback_metrics.get("train_loss")
    return {} if loss is None else {"train_loss": float(loss)}


def _interval() -> float:
    text = os.environ.get(INTERVAL, str(_DEFAULT))
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        rule = "seconds between two lines of progress, zero or more"
        raise TrainingError(f"{INTERVAL}={text}", rule, f"For example {INTERVAL}={_DEFAULT:.0f}")
    return seconds


def _part(number: int, total: float) -> str:
    return f"{number}/{int(total)}" if math.isfinite(total) else str(number)


def _sum(sizes: Any) -> float:
    return float(sum(sizes)) if isinstance(sizes, list) else float(sizes)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
