"""Make the optimiser and the scheduler that a task names; the optimiser `muon`, and `plateau`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, final

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.distributed.tensor import DTensor
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LinearLR, LRScheduler, ReduceLROnPlateau

from scionwood.errors import RecipeError, TrainingError
from scionwood.training.named_components import Choice, NamedComponent

OPTIMIZER, SCHEDULE = "task.optimizer", "task.schedule"
NEEDS_WHOLE_MATRICES = frozenset({"muon", "adafactor"})
"""Optimisers that read whole matrices: torch's own fail on weights spread over processes."""


def make_optimizer(choice: Choice, groups: list[dict[str, Any]], backbone: nn.Module) -> Optimizer:
    """Return the optimiser that a task names.

    Args:
        choice: its name, or its name with options.
        groups: parameter groups with `params`, `lr`, `weight_decay` and `name`.
        backbone: the model, whose parameters' names an optimiser of a plugin may need.
    """
    for group in groups:
        for key in ("lr", "weight_decay"):
            if not 0 <= group[key] < math.inf:
                rule = "it is a number from 0, and finite"
                raise RecipeError(f"task.{key}: {group[key]}", rule, "Such as 1.0e-3")
    component = NamedComponent.parse(OPTIMIZER, choice)
    component.check()
    name = component.name
    if name in NEEDS_WHOLE_MATRICES and any(
        isinstance(p, DTensor) for group in groups for p in group["params"]
    ):
        rule = "it reads whole matrices, and the strategy spreads them over processes"
        raise RecipeError(f"{OPTIMIZER}: {name}", rule, "Use adamw, or trainer.strategy: ddp")
    injected = (groups, backbone) if component.is_of_plugin else (groups,)
    optimizer = component.build(*injected)
    if not isinstance(optimizer, Optimizer):
        rule = f"it made a {type(optimizer).__name__}, and no torch.optim.Optimizer"
        raise RecipeError(f"{OPTIMIZER}: {name}", rule, "Ask the authors of the plugin")
    return optimizer


def make_scheduler(
    choice: Choice, optimizer: Optimizer, warmup: int, total: Callable[[], float]
) -> LRScheduler:
    """Return the scheduler of a task, which is stepped after each optimiser step.

    The rate rises linearly from zero over the warm-up. Then it follows the schedule.

    Args:
        choice: the schedule's name, or its name with options.
        optimizer: the optimiser.
        warmup: optimiser steps of the warm-up.
        total: returns the optimiser steps of the run. It is first called after the warm-up:
            before Lightning has restored its loops, the question would lose the position.
    """
    component = NamedComponent.parse(SCHEDULE, choice)
    component.check()
    name = component.name
    if name == "plateau":  # which multiplies what it finds, so the warm-up must do so too
        component.build()
        return LinearLR(optimizer, 1 / (warmup + 1), total_iters=warmup)
    if (first := component.build(0, 1000.0)) != 1.0:
        rule = f"its share of the rate at step 0 is {first}, and it must be 1"
        raise RecipeError(f"{SCHEDULE}: {name}", rule, "Change its options, or task.lr")
    share = partial(component.load(), **component.options)

    def rate(step: int) -> float:
        if step <= warmup:
            return (step + 1) / (warmup + 1)
        left = math.inf if name == "constant" else total() - warmup
        return float(share(step - warmup, left))

    return LambdaLR(optimizer, rate)


@final
class Plateau(Callback):
    """Lower the learning rate when the task's monitor has not improved for some validations.

    It is a callback and not a scheduler of Lightning, which acts after the checkpoint of an epoch
    is written, so that a resumed run would miss one decision.

    Args:
        factor: what a cut leaves of the rate.
        patience: validations without an improvement that are allowed.
        threshold: the smallest relative change that counts as an improvement.
        cooldown: validations after a cut in which nothing is counted.
        min_lr: the lowest rate.
    """

    def __init__(
        self,
        *,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        if not 0 < factor < 1:
            raise ValueError(f"factor {factor} must be between 0 and 1")
        self._options: dict[str, Any] = {
            **{"factor": factor, "patience": patience, "threshold": threshold},
            **{"cooldown": cooldown, "min_lr": min_lr, "eps": 0.0},
        }
        self._scheduler: ReduceLROnPlateau | None = None
        self._restored: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and the counts."""
        return self._scheduler.state_dict() if self._scheduler else self._restored

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state until the optimiser exists."""
        self._restored = state_dict

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Follow the optimiser of the task."""
        (optimizer,) = trainer.optimizers
        self._scheduler = ReduceLROnPlateau(optimizer, mode=pl_module.mode, **self._options)
        if self._restored:
            self._scheduler.load_state_dict(self._restored)

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Count a validation, and lower the rate if it is due."""
        score = trainer.callback_metrics.get(pl_module.monitor)
        if self._scheduler and score is not None and not trainer.sanity_checking:
            self._scheduler.step(float(score))


def make_plateau(choice: Choice) -> list[Plateau]:
    """Return the callback behind the schedule `plateau`; none for another schedule."""
    component = NamedComponent.parse(SCHEDULE, choice)
    return [component.build()] if component.name == "plateau" else []


@final
class Muon(Optimizer):
    """Orthogonalise the updates of matrices; take AdamW for biases, norms and convolutions.

    torch's own class refuses a parameter that has not two axes. Every other parameter is trained by
    AdamW here, with the same learning rate, because the updates of the two have the same size.

    Args:
        groups: parameter groups with `params`, `lr` and `weight_decay`.
        betas: decay rates of the two moments of AdamW.
        eps: the smallest denominator of AdamW.
        options: those of `torch.optim.Muon`. By default `adjust_lr_fn` gives updates the size of
            those of AdamW (Liu 2025).

    Raises:
        TrainingError: torch is older than 2.9.

    Source: Jordan 2024, https://kellerjordan.github.io/posts/muon/; Liu 2025, arXiv:2502.16982.
    """

    def __init__(
        self,
        groups: Sequence[dict[str, Any]],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        **options: Any,
    ) -> None:
        if not hasattr(torch.optim, "Muon"):
            rule = f"it needs torch 2.9, and this is {torch.__version__}"
            raise TrainingError("task.optimizer: muon", rule, "Upgrade torch, or use adamw")
        matrices = [_part(group, matrices=True) for group in groups]
        others = [_part(group, matrices=False) for group in groups]
        self._parts: list[Optimizer] = []
        if matrices := [group for group in matrices if group["params"]]:
            options = {"adjust_lr_fn": "match_rms_adamw", **options}
            self._parts.append(torch.optim.Muon(matrices, **options))
        if others := [group for group in others if group["params"]]:
            self._parts.append(AdamW(others, betas=betas, eps=eps))
        super().__init__([group for part in self._parts for group in part.param_groups], {})
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Set the state of both to a saved one."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Let both work on the groups and the state of this optimiser, which are saved."""
        first = 0
        for part in self._parts:
            last = first + len(part.param_groups)
            part.param_groups, part.state = self.param_groups[first:last], self.state
            first = last


def _part(group: dict[str, Any], *, matrices: bool) -> dict[str, Any]:
    return {**group, "params": [p for p in group["params"] if (p.ndim == 2) is matrices]}
