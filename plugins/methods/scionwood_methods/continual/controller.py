"""Learn tasks one after another with one peft model: what a method stores, and when it acts."""

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
    """What is stored of past tasks, and how it protects them while the next task trains.

    A subclass overrides the steps at which it acts. `state` returns what it stores. Its options are
    the keyword arguments of its constructor.
    """

    name: ClassVar[str]

    @property
    def needs_pairs(self) -> bool:
        """Whether the method needs the features of pairs; see `scionwood.Task.pairs`."""
        return False

    def begin(self, model: PeftModel) -> None:  # noqa: B027  # a step that may do nothing
        """Prepare the model for a task before the optimiser is created."""

    def penalty(self, model: PeftModel, batch: Any) -> Tensor:
        """Return the scalar to add to the loss of a batch; zero if there is nothing to protect."""
        return torch.zeros(())

    def select(self, model: PeftModel, step: int) -> None:  # noqa: B027
        """Drop gradients that an optimiser step must not use.

        Args:
            model: the model with its gradients.
            step: the number of previous optimiser steps of this task.
        """

    def retract(self, model: PeftModel) -> None:  # noqa: B027
        """Project the parameters onto the allowed set after an optimiser step."""

    @abstractmethod
    def end(self, model: PeftModel, batches: Iterable[Any]) -> None:
        """Store a task that has been learned.

        Args:
            model: the trained model.
            batches: batches of the task's training data.
        """

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Return what is stored, by names that tell what a tensor is."""

    @abstractmethod
    def restore(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        """Take over the stored state of another run, into a model that does not have it yet.

        Raises:
            AdapterError: the state does not fit the model.
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

    With Lightning, `ContinualCallback` makes these calls. The memory is saved between tasks. The
    adapter itself is saved with `scionwood.save_adapter`.

    Args:
        model: a model with one adapter, of a kind that the continual-learning method can use.
        method: what it stores, and how it acts.

    Attributes:
        tasks: the names of the learned tasks.
    """

    def __init__(self, model: PeftModel, method: ContinualMethod) -> None:
        self.model, self.method = model, method
        self.tasks: list[str] = []
        self._running: str | None = None
        self._steps = 0

    def begin(self, task: str) -> None:
        """Begin a task before the optimiser is created, because parameters may be added.

        Raises:
            TrainingError: another task has not ended, or a task of this name has been learned.
        """
        if self._running is not None:
            raise TrainingError(f"task {self._running!r}", "it has not ended", "Call end() first")
        if task in self.tasks:
            raise TrainingError(f"task {task!r}", "it has been learned already", "Rename it")
        self.method.begin(self.model)
        self._running, self._steps = task, 0

    def adjust(self, batch: Any) -> Tensor:
        """Add the gradient of the penalty to that of the loss, after backward and before the step.

        Args:
            batch: the last batch, on the device of the model.

        Returns:
            The penalty, a scalar without gradient.

        Raises:
            TrainingError: no task has begun.
        """
        self._check_running()
        value = self.method.penalty(self.model, batch)
        if value.requires_grad:
            trained = [p for p in self.model.parameters() if p.requires_grad]
            gradients = torch.autograd.grad(value, trained, allow_unused=True)
            for parameter, grad in zip(trained, gradients, strict=True):
                if grad is not None:
                    parameter.grad = grad if parameter.grad is None else parameter.grad + grad
        self.method.select(self.model, self._steps)
        return value.detach()

    def stepped(self) -> None:
        """Report an optimiser step."""
        self._check_running()
        self.method.retract(self.model)
        self._steps += 1

    def end(self, batches: Iterable[Any]) -> None:
        """End a task and store it.

        Args:
            batches: batches of the task's training data; some methods measure importance on them.

        Raises:
            TrainingError: no task has begun.
        """
        task = self._check_running()
        self.method.end(self.model, batches)
        self.tasks.append(task)
        self._running = None

    def save(self, folder: str | Path) -> None:
        """Write the memory and the names of the tasks: `continual.json` and a safetensors file.

        Raises:
            TrainingError: a task has not ended.
            WriteError: the folder cannot be written; a previous state is left as it was.
        """
        if self._running is not None:
            raise TrainingError(f"task {self._running!r}", "it has not ended", "Save after end()")
        write_state(folder, self.method.name, self.tasks, self.method.state())

    def load(self, folder: str | Path) -> None:
        """Read what `save` wrote, into a model with the adapter but without this memory.

        Raises:
            AdapterFileError: a file is damaged or belongs to another method.
            AdapterError: the memory does not fit the model.
            TrainingError: this controller has begun or learned a task already.
        """
        if self._running is not None or self.tasks:
            rule = "it has begun or learned tasks already"
            raise TrainingError("this controller", rule, "Load into a new one")
        tasks, state = read_state(folder, self.method.name)
        self.method.restore(self.model, state)
        self.tasks = tasks

    def _check_running(self) -> str:
        if self._running is None:
            raise TrainingError("this controller", "no task has begun", "Call begin() first")
        return self._running
