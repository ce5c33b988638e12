"""The progress bar of a run: the epoch's batches, the steps of the whole run and the time left."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Any, final

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar


@final
class RunBar(RichProgressBar):
    """Lightning's bar for the epoch, with the steps of the whole run and the time left."""

    def __init__(self) -> None:
        super().__init__()
        self._began, self._from = time.monotonic(), 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock at the step from which a run is resumed."""
        super().on_train_start(trainer, pl_module)
        self._began, self._from = time.monotonic(), trainer.global_step

    def get_metrics(self, trainer: L.Trainer, pl_module: Any) -> dict[str, Any]:
        """Return the values that the task shows, then `step` as done/total and the time `left`."""
        shown = {k: v for k, v in super().get_metrics(trainer, pl_module).items() if k != "v_num"}
        total, done = pl_module.total_steps(), trainer.global_step
        if not math.isfinite(total):
            return {**shown, "step": str(done)}
        return {**shown, "step": f"{done}/{int(total)}", "left": self._left(done, total)}

    def _left(self, done: int, total: float) -> str:
        if done == self._from:
            return "?"
        pace = (time.monotonic() - self._began) / (done - self._from)
        return str(timedelta(seconds=round(pace * (total - done))))

    def _get_train_description(self, current_epoch: int) -> str:
        # Lightning's says "Epoch 3/-2" for a run that is limited by steps; padded as "Validation".
        return f"Epoch {current_epoch + 1}".ljust(len(self.validation_description))
