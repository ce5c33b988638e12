"""The continual-learning controller inside a Lightning training run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, final

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from scionwood import TrainingError
from scionwood_methods.continual.controller import ContinualController


@final
class ContinualCallback(Callback):
    """Learns one task of a sequence: begins it, penalises each step, and stores it at the end.

    The gradient of the penalty is added once for each optimiser step, after accumulation and
    unscaling and before clipping. `continual_penalty` is logged. The method stores the last weights
    of the training.

    Args:
        controller: the controller of the model that the module trains; all tasks share it.
        task: the name of the task.
        batches: the number of training batches that the method may use when the task ends.
        remember: end the task at the end of the training. Use false if other weights are loaded
            afterwards, as `scionwood.fit` does with the best ones, and then call `controller.end`.
    """

    def __init__(
        self,
        controller: ContinualController,
        task: str,
        *,
        batches: int = 16,
        remember: bool = True,
    ) -> None:
        self.controller, self.task, self.batches = controller, task, batches
        self.remember = remember
        self._batch: Any = None
        self._steps = 0

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Begin the task before Lightning creates the optimiser.

        Raises:
            TrainingError: several processes train, or the module has another model.
        """
        if stage != "fit":
            return
        if trainer.world_size > 1:
            rule = "each process would remember its own share of the data"
            raise TrainingError(f"{trainer.world_size} processes", rule, "Use trainer.devices=1")
        if not any(module is self.controller.model for module in pl_module.modules()):
            rule = "it does not contain the controller's model"
            raise TrainingError(type(pl_module).__name__, rule, "Build both on one model")
        # Methods may add parameters here, and an optimiser sees only those that exist before it.
        self.controller.begin(self.task)
        self._steps = trainer.global_step

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Store the batch for the penalty."""
        self._batch = batch

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Add the gradient of the penalty."""
        pl_module.log("continual_penalty", self.controller.adjust(self._batch), batch_size=1)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Tell the controller about an optimiser step."""
        if trainer.global_step > self._steps:
            self._steps = trainer.global_step
            self.controller.stepped()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End the task, unless the caller does so."""
        self._batch = None
        if not self.remember:
            return
        with torch.enable_grad():
            self.controller.end(islice(self._moved(trainer, pl_module), self.batches))

    def _moved(self, trainer: L.Trainer, pl_module: L.LightningModule) -> Iterator[Any]:
        for batch in trainer.train_dataloader or ():
            yield pl_module.transfer_batch_to_device(batch, pl_module.device, 0)
