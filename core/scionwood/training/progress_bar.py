"""How a run shows its progress: Lightning's bars, or lines where no bar can be drawn."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, final

import lightning as L
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar, TQDMProgressBar

from scionwood.training.text_progress import Pace, TextProgress, last_loss


def progress(interval: float | None = None) -> ProgressBar:
    """Return the bar of a terminal or a notebook, or else the callback that prints lines.

    Args:
        interval: seconds between two lines; see `TextProgress`.
    """
    if in_notebook():
        return NotebookBar()
    return TerminalBar() if sys.stdout.isatty() else TextProgress(interval)


def in_notebook() -> bool:
    """Return whether a kernel of Jupyter runs this code, which has no terminal but can draw."""
    module = sys.modules.get("IPython")
    shell: Callable[[], Any] = getattr(module, "get_ipython", lambda: None)
    return type(shell()).__name__ == "ZMQInteractiveShell"


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
