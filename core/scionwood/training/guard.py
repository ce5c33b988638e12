"""Values that are not finite stop a run before they reach a checkpoint."""

from __future__ import annotations

import math
from pathlib import Path
from typing import final

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.precision import Precision
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from scionwood.errors import RecipeError, TrainingError
from scionwood.training.run_folder import LAST
from scionwood.training.stop import DelayedMax


@final
class NanGuard(Callback):
    """Stop a run whose losses or gradients are not finite.

    The gradients are reduced to one norm, which `Task.configure_gradient_clipping` uses too. On a
    CPU the run stops before the step. On a GPU, or with several processes, the result is read one
    step later, so that no step waits for it. It is also read before each checkpoint. With float16
    the gradient scaler skips such steps itself, so that only the losses are checked.

    Args:
        interval: optimiser steps between two checks; 0 means that only checkpoints are checked.

    Attributes:
        norm: the 2-norm of the gradients of the step that is being taken, or `None` if it was not
            computed.
    """

    def __init__(self, interval: int = 1) -> None:
        if type(interval) is not int or interval < 0:
            rule = "a whole number of steps, or 0 for checkpoints only"
            raise RecipeError(f"trainer.nan_guard: {interval!r}", rule, "Set it to 1")
        self.interval = interval
        self.norm: Tensor | None = None
        self._losses: list[Tensor] = []
        self._bad = DelayedMax()
        self._checked: tuple[int, list[Tensor]] = 0, []

    def on_before_backward(
        self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor
    ) -> None:
        """Store the loss of a batch."""
        if self._due(trainer):
            self._losses.append(loss.detach())

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Check the losses since the last step, and the gradients.

        Raises:
            TrainingError: naming the step and the last good checkpoint.
        """
        losses, self._losses = self._losses, []
        clips, due = _clips(trainer), self._due(trainer)
        self.norm = None
        if not clips and not due:
            return
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        gradients: list[Tensor] = []
        if clips or not scaled:
            parameters = (p for group in optimizer.param_groups for p in group["params"])
            gradients = [p.grad for p in parameters if p.grad is not None]
        # The largest entry cannot overflow; the norm is needed for clipping.
        norm = joint_norm(gradients, 2.0 if clips else math.inf)
        self.norm = norm if clips else None
        if due:
            self.settle(trainer)
            self._bad.put(_not_finite(losses if scaled else [norm, *losses]))
            self._checked = trainer.global_step + 1, losses
            if trainer.world_size == 1 and norm.device.type == "cpu":
                self.settle(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Read the result of the last step."""
        self.settle(trainer)

    def settle(self, trainer: L.Trainer) -> None:
        """Read the result that is still open."""
        if self._bad.take():
            step, losses = self._checked
            values = [float(loss) for loss in losses]
            good = all(map(math.isfinite, values))
            raise _refusal(trainer, "gradient" if good else f"loss {values}", step)

    def _due(self, trainer: L.Trainer) -> bool:
        return self.interval > 0 and (trainer.global_step + 1) % self.interval == 0


def guard_of(trainer: L.Trainer) -> NanGuard | None:
    """Return the guard of a trainer; the trainers of finders have none."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback for callback in callbacks if isinstance(callback, NanGuard)), None)


def clip_by_known_norm(
    trainer: L.Trainer, optimizer: torch.optim.Optimizer, limit: float | None
) -> bool:
    """Clip gradients by the norm that the guard has computed for this step.

    Returns:
        Whether there was such a norm; if not, nothing has been clipped.
    """
    guard = guard_of(trainer)
    if guard is None or guard.norm is None or not limit:
        return False
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    clip_grads_with_norm_(parameters, limit, guard.norm)
    return True


def refuse_non_finite(trainer: L.Trainer) -> None:
    """Refuse to save weights that are not finite."""
    if (guard := guard_of(trainer)) is not None:
        guard.settle(trainer)
    trained = [p.detach() for p in trainer.lightning_module.parameters() if p.requires_grad]
    good = math.isfinite(float(joint_norm(trained, math.inf)))
    if not trainer.strategy.reduce_boolean_decision(good):
        raise _refusal(trainer, "weights", trainer.global_step)


def joint_norm(tensors: list[Tensor], order: float) -> Tensor:
    """Return the norm of all tensors together; of sharded ones, of their parts in this process."""
    local = [t.to_local() if isinstance(t, DTensor) else t for t in tensors]
    return get_total_norm([t for t in local if t.numel()], order)


def _clips(trainer: L.Trainer) -> bool:
    """Return whether Lightning itself would clip gradients by the norm of whole tensors."""
    if not trainer.gradient_clip_val or trainer.gradient_clip_algorithm == "value":
        return False
    plain = type(trainer.precision_plugin).clip_grad_by_norm is Precision.clip_grad_by_norm
    sharded = any(isinstance(p, DTensor) for p in trainer.lightning_module.parameters())
    return plain and not sharded


def _not_finite(values: list[Tensor]) -> Tensor:
    """Return 1 if a value is NaN or infinite, else 0. values: each of shape ()."""
    if not values:
        return torch.zeros(())
    return (torch.stack(values) * 0.0).sum().isnan().float()  # 0 times infinity is NaN


def _refusal(trainer: L.Trainer, what: str, step: int) -> TrainingError:
    last = Path(trainer.default_root_dir) / LAST
    good = f"The last good checkpoint is {last}" if last.exists() else "There is no checkpoint yet"
    return TrainingError(
        f"{what} at step {step}",
        "every value must be finite",
        f"{good}. Lower task.lr, clip with trainer.gradient_clip_val, or look for NaN in the data",
    )
