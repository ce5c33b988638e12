"""Skip blocks whose output is known, and compare the model so run to the model itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
import torch.nn as nn
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from scionwood.errors import TrainingError

_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}
_ACCELERATOR = 1e-3
"""Where float32 products may be taken in TF32, by another kernel for another batch."""


@final
class Skip:
    """Blocks that, while a skip lasts, return a given output instead of computing theirs.

    They are changed on the instance and only during a forward, so that a model can be copied and
    saved at any other time.
    """

    def __init__(self, blocks: Iterable[nn.Module]) -> None:
        self._blocks = list(blocks)
        self._own: list[tuple[nn.Module, Any]] = []

    def start(self, output: Any) -> None:
        """Let every block return `output`, whatever it is given, so that the last one does."""
        for block in self._blocks:
            self._own.append((block, vars(block).get("forward")))
            vars(block)["forward"] = lambda *_, **__: output

    def stop(self) -> None:
        """Let the blocks compute again."""
        while self._own:
            block, own = self._own.pop()
            del vars(block)["forward"]
            vars(block).update({} if own is None else {"forward": own})


def tolerance(dtypes: set[torch.dtype | None], device: torch.device) -> float:
    """The relative difference that rounding explains, by the coarsest dtype in use."""
    used = {*dtypes, cast_dtype(device)} - {None}
    least = _ACCELERATOR if device.type != "cpu" and torch.float64 not in used else 0.0
    return max([least, *(_TOLERANCE[dtype] for dtype in used if dtype in _TOLERANCE)])


def cast_dtype(device: torch.device) -> torch.dtype | None:
    """The dtype of autocast, where that is on."""
    on = torch.is_autocast_enabled(device.type)
    return torch.get_autocast_dtype(device.type) if on else None


def compare(a: list[Tensor], b: list[Tensor]) -> float:
    """The largest relative difference, ||a - b|| / ||a||, over pairs; infinite if forms differ."""
    if [x.shape for x in a] != [x.shape for x in b]:
        return float("inf")
    return max([_difference(x.double(), y.double()) for x, y in zip(a, b, strict=True)], default=0)


def observe(base: nn.Module, args: Any, kwargs: Any, watched: list[nn.Module]) -> list[Tensor]:
    """What a model returns, and before it what some of its modules are given.

    Args:
        base: is run without the hooks on itself.
        args: of `forward`.
        kwargs: of `forward`.
        watched: the modules that train: their input is what their gradients are made of, and it
            tells more than the output of a head that starts at zero.
    """
    seen: list[Tensor] = []

    def look(_: nn.Module, given: tuple[Any, ...]) -> None:
        seen.extend(floats(given))

    hooks = [module.register_forward_pre_hook(look) for module in watched if module is not base]
    try:
        output = base.forward(*args, **kwargs)
    finally:
        for hook in hooks:
            hook.remove()
    return seen + floats(output)


def floats(nest: Any) -> list[Tensor]:
    """The floating-point tensors of a nest."""
    leaves = tree_leaves(nest)
    return [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.is_floating_point()]


@contextmanager
def undisturbed(base: nn.Module, device: torch.device) -> Iterator[None]:
    """No gradients; random generators and buffers are afterwards as they were before."""
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
    """The states of torch's random generators."""
    own = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *own]


def repeat_first(nest: Any, n: int) -> Any:
    """A batch of n samples that all are its first."""

    def repeat(leaf: Any) -> Any:
        batch = isinstance(leaf, Tensor) and leaf.ndim and len(leaf) == n
        return leaf[:1].expand_as(leaf).clone() if batch else leaf

    return tree_map(repeat, nest)


def unlike(served: bool, found: str) -> TrainingError:
    """The error for features with which the model computes something else."""
    return TrainingError(
        f"the {'served' if served else 'recorded'} features of the frozen prefix ({found})",
        "with them the model must compute what it computes without",
        "A model that also takes what earlier blocks return (skips) has no such prefix; features "
        "that come from another program should be deleted",
    )


def _difference(a: Tensor, b: Tensor) -> float:
    same = (a == b) | (a.isnan() & b.isnan())  # infinities as well
    error = float(torch.where(same, 0.0, a - b).norm())
    size = float(torch.where(a.isfinite(), a, 0.0).norm())
    if error == 0:
        return 0.0
    return error / size if size and error < float("inf") else float("inf")
