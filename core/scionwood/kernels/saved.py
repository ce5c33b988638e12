"""Compute the input of a layer again from tensors that autograd keeps for the layers in front.

An RMSNorm of any class ends in a product of the normalised input and a weight. A gated linear unit
ends in a product of two branches. The backward pass of a product needs its factors, so that they
are kept in any case. The product itself need not be kept. This module follows the graph of autograd
from a tensor back to such factors. It knows operations, and no class of a module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor

DEPTH = 8
"""The most operations between a tensor and what autograd has saved."""

_Compute = Callable[[tuple[Tensor, ...]], Tensor]
_HOOKS = ("torch.utils.checkpoint", "torch.autograd.graph")
"""Modules whose hooks on saved tensors compute or copy when a tensor is read."""


@final
class RecomputePlan:
    """How to compute the input of layers again, once for all layers that read it."""

    def __init__(
        self,
        tensors: Sequence[Tensor],
        steps: _Compute,
        autocast: tuple[torch.dtype, bool] | None = None,
        operations: tuple[str, ...] = (),
    ) -> None:
        """Store what the input is computed from.

        Args:
            tensors: The tensors, detached.
            steps: Computes the input from the values of `tensors`, bit for bit.
            autocast: The dtype of autocast and whether it is on; `None` means off.
            operations: The names of the operations in the graph of autograd.
        """
        self.operations = operations
        self.tensors, self.steps, self.autocast = tuple(tensors), steps, autocast
        self.users = 0
        """The layers that read the input and have not computed their gradients yet."""
        self._made: Tensor | None = None

    def recompute(self, tensors: tuple[Tensor, ...]) -> Tensor:
        """Compute the input, or return it if another layer has computed it.

        The last of the layers frees it.

        Args:
            tensors: The values of `tensors` as autograd saved them; it refuses changed ones.
        """
        value = self.compute(tensors) if self._made is None else self._made
        self.users -= 1
        self._made = value if self.users > 0 else None
        return value

    def keep(self, value: Tensor) -> None:
        """Return this tensor from now on, with what is written over it until then."""
        value = value.detach()
        self.steps = lambda tensors: value

    def compute(self, tensors: tuple[Tensor, ...]) -> Tensor:
        """Compute the input."""
        dtype, enabled = self.autocast or (None, False)
        with torch.no_grad(), torch.autocast(tensors[0].device.type, dtype, enabled):
            return self.steps(tensors)


def sources(x: Tensor, origin: RecomputePlan | None) -> tuple[Tensor, ...]:
    """Return what a layer keeps for its input: the input, or what it is computed from."""
    if origin is None:
        return (x,)
    origin.users += 1
    return origin.tensors


def plan_of(x: Tensor) -> RecomputePlan | None:
    """Return how to compute a tensor again from what autograd has saved, or `None` if it cannot be.

    Inside a block that is checkpointed or offloaded, nothing is kept, and the result is `None`. So
    it is for a tensor that was changed in place, since the graph does not show all such changes.
    """
    if x.grad_fn is None or x._version or read_late():
        return None
    saved = _Saved()
    try:
        compute = _follow(x.grad_fn, saved, DEPTH)
    except RuntimeError:  # a saved tensor was changed in place, or was freed
        return None
    if compute is None:
        return None
    tensors, names = [value.detach() for value in saved], tuple(saved.operations)
    return RecomputePlan(tensors, compute, operations=names)


def read_late() -> bool:
    """Return whether saved tensors are computed again or copied when they are read."""
    hooks = torch._C._autograd._top_saved_tensors_default_hooks(True)
    return hooks is not None and getattr(hooks[0], "__module__", "") in _HOOKS


@final
class _Saved(list[Tensor]):
    """The saved tensors on the way, and the names of the operations."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []


def _follow(node: Any, saved: _Saved, depth: int) -> _Compute | None:
    name = node.name() if node is not None and depth else ""
    saved.operations.append(name)
    rule = _RULES.get(name)
    return rule(node, saved, depth - 1) if rule else None


def _leaf(value: Tensor, saved: _Saved) -> _Compute:
    saved.append(value)
    place = len(saved) - 1
    return lambda tensors: tensors[place]


def _product(node: Any, saved: _Saved, depth: int) -> _Compute | None:
    factors = []
    for value, (inner, _) in zip(
        (node._saved_self, node._saved_other), node.next_functions, strict=True
    ):
        factor = _follow(inner, saved, depth) if value is None else _leaf(value, saved)
        if factor is None:
            return None
        factors.append(factor)
    left, right = factors
    return lambda tensors: left(tensors) * right(tensors)


def _result(node: Any, saved: _Saved, depth: int) -> _Compute | None:
    return _leaf(node._saved_result, saved)


def _activation(function: Callable[..., Tensor], *options: str) -> Callable[..., _Compute | None]:
    """Return the rule of an activation that keeps its input and some options."""

    def rule(node: Any, saved: _Saved, depth: int) -> _Compute | None:
        x = _leaf(node._saved_self, saved)
        values = {name: getattr(node, f"_saved_{name}") for name in options}
        return lambda tensors: function(x(tensors), **values)

    return rule


def _changed(change: Callable[[Tensor, Any], Tensor]) -> Callable[..., _Compute | None]:
    """Return the rule of an operation that keeps nothing and has one input."""

    def rule(node: Any, saved: _Saved, depth: int) -> _Compute | None:
        inner = _follow(node.next_functions[0][0], saved, depth)
        if inner is None:
            return None
        shape = node._input_metadata[0]  # of the gradient, which is that of the output
        extra = (shape.device, shape.dtype), tuple(shape.shape), *_dims(node)
        return lambda tensors: change(inner(tensors), extra)

    return rule


def _dims(node: Any) -> tuple[int, ...]:
    if node.name() != "TransposeBackward0":
        return ()
    dims = node._saved_dim0, node._saved_dim1  # unsigned: -1 is 2^64 - 1
    return tuple(dim - (1 << 64) if dim >> 63 else dim for dim in dims)


_RULES: Mapping[str, Callable[..., _Compute | None]] = {
    "MulBackward0": _product,
    "ReluBackward0": _result,
    "SigmoidBackward0": _result,
    "TanhBackward0": _result,
    "SiluBackward0": _activation(F.silu),
    "MishBackward0": _activation(F.mish),
    "HardswishBackward0": _activation(F.hardswish),
    "SoftplusBackward0": _activation(F.softplus, "beta", "threshold"),
    "GeluBackward0": _activation(F.gelu, "approximate"),
    "ToCopyBackward0": _changed(lambda x, about: x.to(*about[0])),
    "CloneBackward0": _changed(lambda x, about: x),
    "ViewBackward0": _changed(lambda x, about: x.reshape(about[1])),
    "UnsafeViewBackward0": _changed(lambda x, about: x.reshape(about[1])),
    "TransposeBackward0": _changed(lambda x, about: x.transpose(about[2], about[3])),
}
"""Rules by the names that autograd gives its nodes."""
