"""Skip blocks whose output is cached, and compare the result with that of the whole model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
import torch.nn as nn
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from scionwood import TrainingError

_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}
_ACCELERATOR = 1e-3
"""For devices that may multiply float32 in TF32, with another kernel for another batch size."""


@final
class Skip:
    """Blocks that return a given output between `start` and `stop` instead of computing it.

    They are changed on the instance and during a forward pass only. The model can be copied and
    saved at any other time.
    """

    def __init__(self, blocks: Iterable[nn.Module]) -> None:
        self._blocks = list(blocks)
        self._own: list[tuple[nn.Module, Any]] = []

    def start(self, output: Any) -> None:
        """Make every block return `output` for any input."""
        for block in self._blocks:
            self._own.append((block, vars(block).get("forward")))
            vars(block)["forward"] = lambda *_, **__: output

    def stop(self) -> None:
        """Make the blocks compute again."""
        while self._own:
            block, state = self._own.pop()
            del vars(block)["forward"]
            vars(block).update({} if state is None else {"forward": state})


def tolerance(dtypes: set[torch.dtype | None], device: torch.device) -> float:
    """Return the relative difference that rounding explains in the coarsest dtype in use."""
    used = {*dtypes, cast_dtype(device)} - {None}
    floor = _ACCELERATOR if device.type != "cpu" and torch.float64 not in used else 0.0
    return max([floor, *(_TOLERANCE[dtype] for dtype in used if dtype in _TOLERANCE)])


def cast_dtype(device: torch.device) -> torch.dtype | None:
    """Return the dtype of autocast, or `None` if autocast is off."""
    on = torch.is_autocast_enabled(device.type)
    return torch.get_autocast_dtype(device.type) if on else None


def compare(a: list[Tensor], b: list[Tensor]) -> float:
    """Return the largest ||a - b|| / ||a|| over pairs; infinite if shapes differ."""
    if [x.shape for x in a] != [x.shape for x in b]:
        return float("inf")
    return max([_difference(x.double(), y.double()) for x, y in zip(a, b, strict=True)], default=0)


def observe(base: nn.Module, args: Any, kwargs: Any, watched: list[nn.Module]) -> list[Tensor]:
    """Return the inputs of some modules of a model, and then the model's output.

    Args:
        base: the model; it runs without the hooks on itself.
        args: positional arguments of `forward`.
        kwargs: keyword arguments of `forward`.
        watched: the modules that train. Their gradients depend on their input, which says more than
            the output of a head that starts at zero.
    """
    inputs: list[Tensor] = []

    def look(_: nn.Module, arguments: tuple[Any, ...]) -> None:
        inputs.extend(floats(arguments))

    hooks = [module.register_forward_pre_hook(look) for module in watched if module is not base]
    try:
        output = base.forward(*args, **kwargs)
    finally:
        for hook in hooks:
            hook.remove()
    return inputs + floats(output)


def floats(nest: Any) -> list[Tensor]:
    """Return the floating-point tensors of nested values."""
    leaves = tree_leaves(nest)
    return [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.is_floating_point()]


@contextmanager
def undisturbed(base: nn.Module, device: torch.device) -> Iterator[None]:
    """Compute without gradients; restore random generators and buffers afterwards."""
    before = [(buffer, buffer.clone()) for buffer in base.buffers()]
    devices = [device] if device.type == "cuda" else []
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=devices):
            yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                buffer.copy_(value)


def generators(device: torch.device) -> list[Tensor]:
    """Return the states of torch's random generators."""
    states = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *states]


def repeat_first(nest: Any, n: int) -> Any:
    """Return a batch of n copies of the first sample."""

    def repeat(leaf: Any) -> Any:
        batch = isinstance(leaf, Tensor) and leaf.ndim and len(leaf) == n
        return leaf[:1].expand_as(leaf).clone() if batch else leaf

    return tree_map(repeat, nest)


def unlike(served: bool, difference: str) -> TrainingError:
    """Return the error for features that change the result of the model."""
    return TrainingError(
        f"the {'served' if served else 'recorded'} features of the frozen prefix ({difference})",
        "the model must compute the same with and without them",
        "A model that also uses outputs of earlier blocks (skip connections) has no such prefix. "
        "Delete features that another program wrote",
    )


def _difference(a: Tensor, b: Tensor) -> float:
    same = (a == b) | (a.isnan() & b.isnan())  # infinities too
    error = float(torch.where(same, 0.0, a - b).norm())
    size = float(torch.where(a.isfinite(), a, 0.0).norm())
    if error == 0:
        return 0.0
    return error / size if size and error < float("inf") else float("inf")
