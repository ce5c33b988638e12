"""SeqLoRA: one pair of factors a task, bases that are orthogonal, trained in two levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, final

import torch
from peft import PeftModel
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.continual.controller import ContinualMethod
from scionwood_methods.continual.factors import add_frozen, fill, lora_layers, matrices, restart


@final
class SeqLora(ContinualMethod):
    """`W = W_0 + s sum_i B_i A_i`, with the rows of A_i orthogonal to those of every earlier A_j.

    Lower level: `inner_steps` optimiser steps on B with A fixed. Upper level: one step on A with B
    taken as a constant (a first-order hypergradient), then the retraction `A <- A (I - Q^T Q)`, Q
    the orthonormal rows of the past A_j. A penalty `|A A_j^T|^2` and its gradient vanish there, so
    that none is added. An input in the span of task j's basis leaves B_i A_i x = 0: later tasks
    cannot change what it reads there.

    Past tasks are frozen adapters of peft named `task1`, `task2`, ..., active beside the one that
    trains, and mergeable. A layer holds floor(in / r) tasks at most.

    Args:
        inner_steps: K, steps on B for each step on A.
        adapter: the name of the LoRA adapter that trains.

    Raises:
        AdapterError: inner_steps is below 1.

    Source: a reconstruction from the abstract of arXiv 2605.22743 (bilevel optimisation, pairwise
    orthogonal bases); which factor is the upper level is not settled there. Ours, not the authors'.
    """

    name = "seqlora_bilevel"

    def __init__(self, *, inner_steps: int = 4, adapter: str = "default") -> None:
        if inner_steps < 1:
            raise AdapterError(f"inner_steps={inner_steps}", "at least 1 step on B is needed")
        self.inner_steps, self.adapter = inner_steps, adapter
        self._past: list[dict[str, tuple[Tensor, Tensor]]] = []
        self._bases: dict[str, Tensor] = {}

    def begin(self, model: PeftModel) -> None:
        """Start the adapter in directions that no past task uses.

        Raises:
            AdapterError: a layer has no room for another basis.
        """
        for name, layer in lora_layers(model, self.adapter).items():
            a = matrices(layer, self.adapter)[1]
            used, (rank, width) = rank_of(self._bases.get(name)), a.shape
            if used + rank > width:
                rule = f"{used} of its {width} input directions are taken, and {rank} are needed"
                remedy = (
                    "Train with a lower rank, or merge what was learnt and begin a new sequence"
                )
                raise AdapterError(f"layer {name}", rule, remedy)
        self.retract(model)

    def select(self, model: PeftModel, step: int) -> None:
        """Let B learn in K steps and A in the next one."""
        upper = step % (self.inner_steps + 1) == self.inner_steps
        for layer in lora_layers(model, self.adapter).values():
            idle = layer.lora_B if upper else layer.lora_A
            idle[self.adapter].weight.grad = None

    @torch.no_grad()
    def retract(self, model: PeftModel) -> None:
        """Take the past bases out of A, in float64."""
        for name, layer in lora_layers(model, self.adapter).items():
            basis = self._bases.get(name)
            if basis is not None:
                a = matrices(layer, self.adapter)[1]
                wide = a.double()
                basis = basis.to(wide)
                a.copy_(wide - wide @ basis.T @ basis)

    def end(self, model: PeftModel, batches: Iterable[Any]) -> None:
        """Freeze the task's factors beside the model's adapter, which starts anew."""
        layers = lora_layers(model, self.adapter)
        task = {
            name: tuple(value.detach().clone() for value in matrices(layer, self.adapter))
            for name, layer in layers.items()
        }
        self._add(model, task)
        restart(layers.values(), self.adapter)

    def state(self) -> dict[str, Tensor]:
        """`<task>:B:<layer>` and `<task>:A:<layer>` of every past task, counted from 1."""
        found = {}
        for number, task in enumerate(self._past, 1):
            for name, (b, a) in task.items():
                found[f"{number}:B:{name}"], found[f"{number}:A:{name}"] = b, a
        return found

    def restore(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        """Add the past tasks to a model; see `ContinualMethod.restore`."""
        layers = lora_layers(model, self.adapter)
        count = len(state) // (2 * len(layers))
        expected = {
            f"{n}:{letter}:{name}": value.shape
            for n in range(1, count + 1)
            for name, layer in layers.items()
            for letter, value in zip("BA", matrices(layer, self.adapter), strict=True)
        }
        if {key: value.shape for key, value in state.items()} != expected:
            rule = f"they do not fit the layers and ranks of adapter {self.adapter!r}"
            raise AdapterError(
                "past tasks", rule, "Use the model and rank of the run that wrote them"
            )
        for n in range(1, count + 1):
            self._add(model, {k: (state[f"{n}:B:{k}"], state[f"{n}:A:{k}"]) for k in layers})

    def _add(self, model: PeftModel, task: dict[str, Any]) -> None:
        adapter = f"task{len(self._past) + 1}"
        add_frozen(model, adapter, self.adapter)
        for name, layer in lora_layers(model, adapter).items():
            fill(layer, adapter, *task[name])
            rows = torch.linalg.qr(task[name][1].double().cpu().T)[0].T
            old = self._bases.get(name)
            self._bases[name] = rows if old is None else torch.cat([old, rows])
        self._past.append(task)


def rank_of(basis: Tensor | None) -> int:
    """The number of rows of a basis that may not be there."""
    return 0 if basis is None else basis.shape[0]
