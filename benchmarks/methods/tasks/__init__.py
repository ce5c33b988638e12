"""What the study adapts: a base that has learnt one thing, and another thing for it to learn."""

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
    "vision": "methods.tasks.vision:Digits",
    "mesh": "methods.tasks.mesh:Plates",
    "field": "methods.tasks.field:Cubes",
    "language": "methods.tasks.language:Characters",
}


class Task(ABC):
    """A base network, what it has learnt, and what it is to learn; the same in every process.

    Attributes:
        metric: the score's name in what `evaluate` returns.
        higher: whether a higher score is better.
        reference: the experiment over which the times of steps are given.
        head: start of the names of the parameters of the last layer.
    """

    metric: ClassVar[str]
    higher: ClassVar[bool] = False
    reference: ClassVar[str]
    head: ClassVar[str]

    def __init__(self) -> None:
        self.base: nn.Module

    def model(self, **options: Any) -> nn.Module:
        """A fresh copy of the base; options are those of an experiment's `model`."""
        return self.layers(copy.deepcopy(self.base), **options)

    def layers(self, model: nn.Module) -> nn.Module:
        """The network with its layers in another form, where a task has one."""
        return model

    @abstractmethod
    def batches(self, seed: int, count: int) -> list[Batch]:
        """Training batches of what is to be learnt; the same for every method."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> Tensor: ...

    @abstractmethod
    def evaluate(self, model: nn.Module, what: Literal["base", "new"], part: Part) -> Scores:
        """`loss`, and what else there is, of what was learnt first or of what is to be learnt."""


def make(name: str, *, quick: bool) -> Task:
    """A task by name; `quick` ones are tiny and have learnt next to nothing."""
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
    """Train all of a model: AdamW, a tenth of warm-up, then half a cosine."""
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
