"""The training loop of every method: AdamW with the groups that the method asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from methods.tasks import Batch, Task
from scionwood import parameter_groups


def train(
    model: nn.Module, task: Task, batches: Sequence[Batch], lr: float, training: Mapping[str, Any]
) -> list[float]:
    """Take a step on each batch and return the losses; nothing happens if nothing trains."""
    groups = parameter_groups(model, lr, **training["optimizer_kwargs"])
    if not groups or not batches:
        return []
    step, optimizer = stepper(model, task, groups, training)
    warm, total = training["warmup_share"] * len(batches), len(batches)

    def share(number: int) -> float:
        if number < warm:
            return (number + 1) / (warm + 1)
        return (1 + math.cos(math.pi * (number - warm) / max(total - warm, 1))) / 2

    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    model.train()
    losses = []
    for batch in batches:
        losses.append(step(batch))
        rate.step()
    return losses


def stepper(
    model: nn.Module, task: Task, groups: list[dict[str, Any]], training: Mapping[str, Any]
) -> tuple[Callable[[Batch], float], torch.optim.Optimizer]:
    """Return a function that takes one step, and its optimiser."""
    optimizer = getattr(torch.optim, training["optimizer_type"])(groups)
    trained = [parameter for group in groups for parameter in group["params"]]

    def step(batch: Batch) -> float:
        loss = task.loss(model, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, training["grad_norm_clip"])
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    return step, optimizer
