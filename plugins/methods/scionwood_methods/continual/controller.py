"""Tasks one after another on one peft model: what a method remembers, and when it acts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, final

import torch
from peft import PeftModel
from torch import Tensor

from scionwood import TrainingError
from scionwood_methods.continual.files import read_state, write_state


class ContinualMethod(ABC):
    """What is kept of past tasks, and how it holds the next one back.

    A method overrides the steps at which it acts. Its memory is in `state`; options are those of
    its constructor.
    """

    name: ClassVar[str]

    def begin(self, model: PeftModel) -> None:  # noqa: B027  # a step that may do nothing
        """Prepare the model for a task, before the optimiser is made."""

    def penalty(self, model: PeftModel, batch: Any) -> Tensor:
        """The scalar to add to the loss of a batch; zero where nothing is to be protected."""
        return torch.zeros(())

    def select(self, model: PeftModel, step: int) -> None:  # noqa: B027
        """Drop gradients that an optimiser step shall not use.

        Args:
            model: with gradients.
            step: optimiser steps of this task that were taken before.
        """

    def retract(self, model: PeftModel) -> None:  # noqa: B027
        """Put the parameters back where they may be, after an optimiser step."""

    @abstractmethod
    def end(self, model: PeftModel, batches: Iterable[Any]) -> None:
        """Remember a task that has been learnt.

        Args:
            model: as trained.
            batches: of the task's training data.
        """

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """The memory, by names that say what a tensor is."""

    @abstractmethod
    def restore(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        """Take the memory of another run over into this method and a model without it.

        Raises:
            AdapterError: it does not fit the model.
        """


@final
class ContinualController:
    """Runs a continual-learning method over a sequence of tasks, in any training loop.

    The loop of a task::

        controller.begin("survey 2")
        optimizer = torch.optim.AdamW(scionwood.parameter_groups(model, 1e-3))
        for batch in batches:
            loss(model, batch).backward()
            controller.adjust(batch)        # adds the penalty's gradient
            optimizer.step()
            controller.stepped()
            optimizer.zero_grad()
        controller.end(batches)
        controller.save(folder)

    With Lightning, `ContinualCallback` makes these calls. The memory is saved between tasks; the
    adapter itself is saved as ever, by `scionwood.save_adapter`.

    Args:
        model: with one adapter, of any method that the continual-learning method takes.
        method: what it remembers and does.

    Attributes:
        tasks: the names of the tasks that have been learnt.
    """

    def __init__(self, model: PeftModel, method: ContinualMethod) -> None:
        self.model, self.method = model, method
        self.tasks: list[str] = []
        self._running: str | None = None
        self._steps = 0

    def begin(self, task: str) -> None:
        """Start a task, before the optimiser is made: parameters may be added.

        Raises:
            TrainingError: another task has not ended, or one of this name has.
        """
        if self._running is not None:
            raise TrainingError(f"task {self._running!r}", "it has not ended", "Call end() first")
        if task in self.tasks:
            raise TrainingError(f"task {task!r}", "it has been learnt already", "Rename it")
        self.method.begin(self.model)
        self._running, self._steps = task, 0

    def adjust(self, batch: Any) -> Tensor:
        """Add the penalty's gradient to the loss's, after backward and before the step.

        Args:
            batch: the last batch, on the model's device.

        Returns:
            The penalty, a scalar without gradient.

        Raises:
            TrainingError: no task has begun.
        """
        self._check_running()
        value = self.method.penalty(self.model, batch)
        if value.requires_grad:
            trained = [p for p in self.model.parameters() if p.requires_grad]
            found = torch.autograd.grad(value, trained, allow_unused=True)
            for parameter, grad in zip(trained, found, strict=True):
                if grad is not None:
                    parameter.grad = grad if parameter.grad is None else parameter.grad + grad
        self.method.select(self.model, self._steps)
        return value.detach()

    def stepped(self) -> None:
        """Say that the optimiser has taken a step."""
        self._check_running()
        self.method.retract(self.model)
        self._steps += 1

    def end(self, batches: Iterable[Any]) -> None:
        """End a task and remember it.

        Args:
            batches: of the task's training data; some methods measure on them what matters.

        Raises:
            TrainingError: no task has begun.
        """
        task = self._check_running()
        self.method.end(self.model, batches)
        self.tasks.append(task)
        self._running = None

    def save(self, folder: Path) -> None:
        """Write the memory and the names of the tasks: `continual.json` and a safetensors file.

        Raises:
            TrainingError: a task has not ended.
            OSError: the disk is full or not writable; the old state stays.
        """
        if self._running is not None:
            raise TrainingError(f"task {self._running!r}", "it has not ended", "Save after end()")
        write_state(Path(folder), self.method.name, self.tasks, self.method.state())

    def load(self, folder: Path) -> None:
        """Take over what `save` wrote, into a model with the adapter but without this memory.

        Raises:
            AdapterFileError: a file is damaged or of another method.
            AdapterError: the memory does not fit the model.
            TrainingError: this controller has learnt or begun a task already.
        """
        if self._running is not None or self.tasks:
            rule = "it has tasks of its own"
            raise TrainingError("this controller", rule, "Load into a new one")
        tasks, state = read_state(Path(folder), self.method.name)
        self.method.restore(self.model, state)
        self.tasks = tasks

    def _check_running(self) -> str:
        if self._running is None:
            raise TrainingError("this controller", "no task has begun", "Call begin() first")
        return self._running
