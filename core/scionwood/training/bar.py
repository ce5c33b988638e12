"""How a run shows its progress: a bar on a terminal and in a notebook, lines everywhere else."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, final

import lightning as L
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar, TQDMProgressBar

from scionwood.training.lines import RunLines, last_loss


def progress(every: float | None = None) -> ProgressBar:
    """Return the bar of a terminal or a notebook, or else the callback that prints lines.

    Args:
        every: seconds between two lines; see `RunLines`.
    """
    if in_notebook():
        return NotebookBar()
    return RunBar() if sys.stdout.isatty() else RunLines(every)


def in_notebook() -> bool:
    """Return whether a kernel of Jupyter runs this code, which has no terminal but can draw."""
    module = sys.modules.get("IPython")
    shell: Callable[[], Any] = getattr(module, "get_ipython", lambda: None)
    return type(shell()).__name__ == "ZMQInteractiveShell"


class _Steps:
    """The optimiser steps of the whole run and the time left, for a bar that shows an epoch."""

    def __init__(self) -> None:
        self._began, self._from = time.monotonic(), 0

    def start(self, trainer: L.Trainer) -> None:
        """Start the clock at the step from which a run is resumed."""
        self._began, self._from = time.monotonic(), trainer.global_step

    def shown(self, metrics: Mapping[str, Any], trainer: L.Trainer, task: Any) -> dict[str, Any]:
        """Return the values that the task shows, then `step` as done/total and the time `left`."""
        values = {key: value for key, value in metrics.items() if key != "v_num"}
        if not trainer.training:
            return values
        values |= last_loss(trainer)
        total, done = task.total_steps(), trainer.global_step
        if not math.isfinite(total):
            return {**values, "step": str(done)}
        return {**values, "step": f"{done}/{int(total)}", "left": self._left(done, total)}

    def _left(self, done: int, total: float) -> str:
        if done == self._from:
            return "?"
        pace = (time.monotonic() - self._began) / (done - self._from)
        return str(timedelta(seconds=round(pace * (total - done))))


@final
class RunBar(RichProgressBar):
    """Lightning's bar for the epoch, with the steps of the whole run and the time left."""

    def __init__(self) -> None:
        super().__init__()
        self._steps = _Steps()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        super().on_train_start(trainer, pl_module)
        self._steps.start(trainer)

    def get_metrics(self, trainer: L.Trainer, pl_module: Any) -> dict[str, Any]:
        """Return the values that the task shows, then the steps and the time left."""
        return self._steps.shown(super().get_metrics(trainer, pl_module), trainer, pl_module)

    def _get_train_description(self, current_epoch: int) -> str:
        # Lightning's says "Epoch 3/-2" for a run that is limited by steps; padded as "Validation".
        return f"Epoch {current_epoch + 1}".ljust(len(self.validation_description))


@final
class NotebookBar(TQDMProgressBar):
    """tqdm's bar, which a notebook draws in place, with the steps of the whole run."""

    def __init__(self) -> None:
        super().__init__()
        self._steps = _Steps()

    def on_train_start(self, *hook: Any) -> None:
        """Start the clock."""
        super().on_train_start(*hook)
        self._steps.start(self.trainer)

    def get_metrics(self, trainer: L.Trainer, pl_module: Any) -> dict[str, Any]:
        """Return the values that the task shows, then the steps and the time left."""
        return self._steps.shown(super().get_metrics(trainer, pl_module), trainer, pl_module)
