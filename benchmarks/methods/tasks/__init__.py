"""The tasks of the study: a base that has learned one task, and a new task for it."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

Batch = Any
Part = Literal["train", "valid", "test"]
Scores = dict[str, float]
PLACES = {
    "mesh": "methods.tasks.mesh:Plates",
    "field": "methods.tasks.field:Cubes",
}


class Task(ABC):
    """A base network, the task that it has learned, and a new task; equal in every process.

    Attributes:
        metric: the key of the score in the result of `evaluate`.
        higher: whether a higher score is better.
        reference: the experiment that others are timed against.
        head: the prefix of the parameter names of the last layer.
    """

    metric: ClassVar[str]
    higher: ClassVar[bool] = False
    reference: ClassVar[str]
    head: ClassVar[str]

    def __init__(self) -> None:
        self.base: nn.Module

    def model(self, **options: Any) -> nn.Module:
        """Return a fresh copy of the base; options come from an experiment's `model`."""
        return self.layers(copy.deepcopy(self.base), **options)

    def layers(self, model: nn.Module) -> nn.Module:
        """Return the network with its layers in another form, if the task has one."""
        return model

    @abstractmethod
    def batches(self, seed: int, count: int) -> list[Batch]:
        """Return training batches of the new task, equal for every method."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> Tensor: ...

    @abstractmethod
    def evaluate(self, model: nn.Module, what: Literal["base", "new"], part: Part) -> Scores:
        """Return `loss` and other scores on the base task or on the new one."""


def make(name: str, *, quick: bool) -> Task:
    """Return a task by name; `quick` makes it tiny and almost untrained."""
    module, _, attribute = PLACES[name].partition(":")
    task: Task = getattr(import_module(module), attribute)(quick=quick)
    return task


def pretrain(
    model: nn.Module,
    batches: Iterable[Batch],
    loss: Callable[[nn.Module, Batch], Tensor],
    lr: float,
    steps: int,
) -> nn.Module:
    """Train all weights of a model: AdamW, a tenth of warm-up, then half a cosine."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1)
    model.train()
    for batch in batches:
        optimizer.zero_grad()
        loss(model, batch).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
    return model.eval().requires_grad_(False)
