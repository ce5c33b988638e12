"""Make the optimiser and the scheduler that a task names."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LinearLR, LRScheduler

from scionwood.errors import RecipeError
from scionwood.training.named_components import Choice, NamedComponent
from scionwood.training.plateau import Plateau

OPTIMIZER, SCHEDULE = "task.optimizer", "task.schedule"
NEEDS_WHOLE_MATRICES = frozenset({"muon", "adafactor"})
"""Optimisers that read whole matrices: torch's own fail on weights spread over processes."""


def make_optimizer(choice: Choice, groups: list[dict[str, Any]], backbone: nn.Module) -> Optimizer:
    """Return the optimiser that a task names.

    Args:
        choice: its name, or its name with options.
        groups: parameter groups with `params`, `lr`, `weight_decay` and `name`.
        backbone: the model, whose parameters' names an optimiser of a plugin may need.

    Raises:
        RecipeError: no optimiser has that name, it refuses its options, or it reads whole matrices
            and the weights are spread over processes.
        PluginError: the plugin is missing or broken, or does not have the optimiser.
    """
    component = NamedComponent.parse(OPTIMIZER, choice)
    component.check()
    name = component.name
    if name in NEEDS_WHOLE_MATRICES and any(
        isinstance(p, DTensor) for group in groups for p in group["params"]
    ):
        rule = "it reads whole matrices, and fsdp2 spreads them over processes"
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

    Raises:
        RecipeError: no schedule has that name, or it refuses its options.
        PluginError: the plugin is missing or broken, or does not have the schedule.
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


def make_plateau(choice: Choice) -> list[Plateau]:
    """Return the callback behind the schedule `plateau`; none for another schedule.

    Args:
        choice: the schedule's name, or its name with options.
    """
    component = NamedComponent.parse(SCHEDULE, choice)
    return [component.build()] if component.name == "plateau" else []
