"""Averages of the trained weights over the steps of a run, which are validated and exported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, final

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn

from scionwood.errors import TrainingError


class Average(Callback):
    """Keep an average of the parameters that train, and validate it in their place.

    Lightning's own callbacks average the frozen base too and store it in every checkpoint. Buffers,
    such as the running statistics of a head, are not averaged.

    Attributes:
        count: how many weights the average holds; 0 until it begins.
        label: what the average is, for the card.
    """

    label = "an average of the weights"

    def __init__(self, blend: Callable[[list[Tensor], list[Tensor], int], object]) -> None:
        self._blend = blend
        self.count = 0
        self._average: dict[str, Tensor] = {}
        self._step = 0

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Refuse what cannot be averaged.

        Raises:
            TrainingError: the weights are spread over processes, or a run has two averages.
        """
        if isinstance(trainer.strategy, ModelParallelStrategy):
            rule = "it needs the whole weights in each process"
            raise TrainingError(type(self).__name__.lower(), rule, "Use trainer.strategy: ddp")
        if len([c for c in trainer.callbacks if isinstance(c, Average)]) > 1:  # type: ignore[attr-defined]
            raise TrainingError("ema and swa", "a run exports one average", "Name one of the two")

    def state_dict(self) -> dict[str, Any]:
        """Return the average."""
        return {"count": self.count, "step": self._step, "average": self._average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Set the average to that of the run that is resumed."""
        self.count, self._step = state_dict["count"], state_dict["step"]
        self._average = state_dict["average"]

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Put the average in the place of the weights."""
        if not trainer.sanity_checking:
            self._swap(pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Put the weights back."""
        if not trainer.sanity_checking:
            self._swap(pl_module)

    @contextmanager
    def applied(self, task: L.LightningModule) -> Iterator[None]:
        """Put the average in the place of the weights inside the block."""
        self._swap(task)
        try:
            yield
        finally:
            self._swap(task)

    def _update(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        weights = _trained(task)
        if not self.count:
            self._average = {name: value.clone() for name, value in weights.items()}
        else:
            average = [self._average[name].to(weights[name].device) for name in weights]
            self._blend(average, list(weights.values()), self.count)
            self._average = dict(zip(weights, average, strict=True))
        self.count += 1
        self._step = trainer.global_step

    def _swap(self, task: L.LightningModule) -> None:
        if not self.count:
            return
        for name, weight in _trained(task).items():
            average = self._average[name].to(weight.device)
            self._average[name] = weight.clone()
            weight.copy_(average)


@final
class Ema(Average):
    """Keep an exponential moving average of the weights after optimiser steps.

    Args:
        decay: the share of the average that a step keeps.
        update_every_n_steps: optimiser steps between two updates.
        update_starting_at_step: the optimiser step from which the average begins.
    """

    def __init__(
        self,
        *,
        decay: float = 0.999,
        update_every_n_steps: int = 1,
        update_starting_at_step: int = 1,
    ) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay {decay} must be at least 0 and below 1")
        if update_every_n_steps < 1:
            raise ValueError(f"update_every_n_steps {update_every_n_steps} must be at least 1")
        super().__init__(get_ema_multi_avg_fn(decay))
        self.label = f"the exponential moving average of the weights with decay {decay:g}"
        self._every, self._from = update_every_n_steps, update_starting_at_step

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Update the average after an optimiser step."""
        step = trainer.global_step
        if step > self._step and step >= self._from and step % self._every == 0:
            self._update(trainer, pl_module)


@final
class Swa(Average):
    """Average the weights at the end of each epoch of the last part of a run (Izmailov 2018).

    Args:
        swa_lrs: the learning rate of that part; `None` means that of the task's schedule.
        swa_epoch_start: the epoch from which to average, counted from 1, or a share of the run's
            epochs. The last epoch is always averaged if it is whole.
        annealing_epochs: epochs over which the learning rate goes over to `swa_lrs`.
        annealing_strategy: along a cosine or a line.
    """

    def __init__(
        self,
        *,
        swa_lrs: float | None = None,
        swa_epoch_start: float = 0.8,
        annealing_epochs: int = 10,
        annealing_strategy: Literal["cos", "linear"] = "cos",
    ) -> None:
        if swa_lrs is not None and swa_lrs <= 0:
            raise ValueError(f"swa_lrs {swa_lrs} must be positive")
        if swa_epoch_start < 0 or (isinstance(swa_epoch_start, float) and swa_epoch_start > 1):
            raise ValueError(f"swa_epoch_start {swa_epoch_start} must be an epoch, or 0.0 to 1.0")
        if annealing_strategy not in ("cos", "linear"):
            raise ValueError(f"annealing_strategy {annealing_strategy!r} must be cos or linear")
        super().__init__(get_swa_multi_avg_fn())
        self.label = "the average of the weights after each of the last epochs"
        self._rate, self._begin = swa_lrs, swa_epoch_start
        self._annealing, self._strategy = annealing_epochs, annealing_strategy

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        """Set the learning rate of the averaged part."""
        past = trainer.current_epoch - self._start(trainer, pl_module)
        if self._rate is None or past < 0:
            return
        part = min(1.0, past / self._annealing) if self._annealing > 0 else 1.0
        weight = part if self._strategy == "linear" else 0.5 * (1 - math.cos(math.pi * part))
        planned = trainer.lr_scheduler_configs[0].scheduler.get_last_lr()
        for group, rate in zip(trainer.optimizers[0].param_groups, planned, strict=True):
            group["lr"] = rate + weight * (self._rate - rate)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Update the average after the last step of an epoch, before its validation."""
        is_late = trainer.current_epoch >= self._start(trainer, pl_module)
        if is_late and trainer.is_last_batch and trainer.global_step > self._step:
            self._update(trainer, pl_module)

    def _start(self, trainer: L.Trainer, task: Any) -> int:
        if isinstance(self._begin, int):
            return max(self._begin - 1, 0)
        total = float(task.total_steps())
        if not math.isfinite(total):
            rule = "the run has no planned end of which it could be a share"
            raise TrainingError(f"swa_epoch_start {self._begin}", rule, "Give the epoch's number")
        steps = math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
        epochs = math.ceil(total / steps)
        return min(int(self._begin * epochs), epochs - 1)


def average_of(trainer: L.Trainer) -> Average | None:
    """Return the average of a run once it has begun."""
    averages = [c for c in trainer.callbacks if isinstance(c, Average)]  # type: ignore[attr-defined]
    return averages[0] if averages and averages[0].count else None


def _trained(task: torch.nn.Module) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in task.named_parameters() if p.requires_grad}
