"""SeqLoRA: one pair of factors for each task, with orthogonal bases, trained in two levels."""

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
    treated as a constant (a first-order hypergradient), then the retraction `A <- A (I - Q^T Q)`,
    where Q holds the orthonormal rows of the past A_j. After the retraction a penalty `|A A_j^T|^2`
    and its gradient are zero, so none is added. An input x in the span of an earlier basis gives
    B_i A_i x = 0, so later tasks cannot change the output there.

    Past tasks are frozen peft adapters named `task1`, `task2`, and so on. They are active next to
    the adapter that trains, and can be merged. A layer has room for floor(in / r) tasks.

    Args:
        inner_steps: the number K of steps on B for each step on A.
        adapter: the name of the LoRA adapter that trains.

    Raises:
        AdapterError: inner_steps is below 1.

    Source: a reconstruction from the abstract of arXiv 2605.22743 (bilevel optimisation, pairwise
    orthogonal bases). The abstract does not say which factor is the upper level; that choice is
    ours, not the authors'.
    """

    name = "seqlora_bilevel"

    def __init__(self, *, inner_steps: int = 4, adapter: str = "default") -> None:
        if inner_steps < 1:
            raise AdapterError(f"inner_steps={inner_steps}", "at least 1 step on B is needed")
        self.inner_steps, self.adapter = inner_steps, adapter
        self._past: list[dict[str, tuple[Tensor, Tensor]]] = []
        self._bases: dict[str, Tensor] = {}

    def begin(self, model: PeftModel) -> None:
        """Project the adapter onto directions that no past task uses.

        Raises:
            AdapterError: a layer has no room for another basis.
        """
        for name, layer in lora_layers(model, self.adapter).items():
            a = matrices(layer, self.adapter)[1]
            used, (rank, width) = rank_of(self._bases.get(name)), a.shape
            if used + rank > width:
                rule = f"{used} of its {width} input directions are used, and {rank} are needed"
                remedy = "Train with a lower rank, or merge the adapters and begin a new sequence"
                raise AdapterError(f"layer {name}", rule, remedy)
        self.retract(model)

    def select(self, model: PeftModel, step: int) -> None:
        """Keep the gradients of B for K steps, and those of A for the next one."""
        upper = step % (self.inner_steps + 1) == self.inner_steps
        for layer in lora_layers(model, self.adapter).values():
            idle = layer.lora_B if upper else layer.lora_A
            # `None` and not zero: the optimiser skips such a tensor, where a zero gradient would
            # still let momentum and weight decay move it.
            idle[self.adapter].weight.grad = None

    @torch.no_grad()
    def retract(self, model: PeftModel) -> None:
        """Remove the past bases from A, in float64."""
        for name, layer in lora_layers(model, self.adapter).items():
            basis = self._bases.get(name)
            if basis is not None:
                a = matrices(layer, self.adapter)[1]
                wide = a.double()
                basis = basis.to(wide)
                # In place, so that the optimiser keeps its parameter.
                a.copy_(wide - wide @ basis.T @ basis)

    def end(self, model: PeftModel, batches: Iterable[Any]) -> None:
        """Store the task's factors as a frozen adapter, and reset the adapter that trains."""
        layers = lora_layers(model, self.adapter)
        task = {
            name: tuple(value.detach().clone() for value in matrices(layer, self.adapter))
            for name, layer in layers.items()
        }
        self._add(model, task)
        restart(layers.values(), self.adapter)

    def state(self) -> dict[str, Tensor]:
        """Return `<task>:B:<layer>` and `<task>:A:<layer>` of every past task, counted from 1."""
        state = {}
        for number, task in enumerate(self._past, 1):
            for name, (b, a) in task.items():
                state[f"{number}:B:{name}"], state[f"{number}:A:{name}"] = b, a
        return state

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
            # The rows of A_i are already orthogonal to the earlier bases (`retract`), so all rows
            # together stay orthonormal.
            rows = torch.linalg.qr(task[name][1].double().cpu().T)[0].T
            old = self._bases.get(name)
            self._bases[name] = rows if old is None else torch.cat([old, rows])
        self._past.append(task)


def rank_of(basis: Tensor | None) -> int:
    """Return the number of rows of a basis; 0 if there is none."""
    return 0 if basis is None else basis.shape[0]
