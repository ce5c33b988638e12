"""Compute the input of a layer again from tensors that autograd keeps for the layers in front.

An RMSNorm of any class ends in a product of the normalised input and a weight. A gated linear unit
ends in a product of two branches. The backward pass of a product needs its factors, so that they
are kept in any case. The product itself need not be kept. This module follows the graph of autograd
from a tensor back to such factors. It knows operations, and no class of a module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor

DEPTH = 8
"""The most operations between a tensor and what autograd has saved."""

_Compute = Callable[[tuple[Tensor, ...]], Tensor]
_HOOKS = ("torch.utils.checkpoint", "torch.autograd.graph")
"""Modules whose hooks on saved tensors compute or copy when a tensor is read."""


@final
class Recipe(NamedTuple):
    """Steps from saved tensors to the input of a layer."""

    tensors: dict[str, Tensor]
    """The saved tensors by number."""
    compute: _Compute

    def again(self, tensors: tuple[Tensor, ...]) -> Tensor:
        """Compute the input again, bit for bit.

        Args:
            tensors: The values of `tensors` as autograd saved them; it refuses changed ones.
        """
        with torch.no_grad(), torch.autocast(tensors[0].device.type, enabled=False):
            return self.compute(tensors)


def recipe_of(x: Tensor) -> Recipe | None:
    """Return how to compute a tensor again from what autograd has saved, or `None` if it cannot be.

    Inside a block that is checkpointed or offloaded, nothing is kept, and the result is `None`.
    """
    if x.grad_fn is None or _read_late():
        return None
    saved: list[Tensor] = []
    try:
        compute = _follow(x.grad_fn, saved, DEPTH)
    except RuntimeError:  # a saved tensor was changed in place, or was freed
        return None
    if compute is None:
        return None
    return Recipe({str(i): value.detach() for i, value in enumerate(saved)}, compute)


def _read_late() -> bool:
    hooks = torch._C._autograd._top_saved_tensors_default_hooks(True)
    return hooks is not None and getattr(hooks[0], "__module__", "") in _HOOKS


def _follow(node: Any, saved: list[Tensor], depth: int) -> _Compute | None:
    rule = _RULES.get(node.name()) if node is not None and depth else None
    return rule(node, saved, depth - 1) if rule else None


def _leaf(value: Tensor, saved: list[Tensor]) -> _Compute:
    saved.append(value)
    place = len(saved) - 1
    return lambda tensors: tensors[place]


def _product(node: Any, saved: list[Tensor], depth: int) -> _Compute | None:
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


def _result(node: Any, saved: list[Tensor], depth: int) -> _Compute | None:
    return _leaf(node._saved_result, saved)


def _silu(node: Any, saved: list[Tensor], depth: int) -> _Compute | None:
    x = _leaf(node._saved_self, saved)
    return lambda tensors: F.silu(x(tensors))


def _gelu(node: Any, saved: list[Tensor], depth: int) -> _Compute | None:
    x, kind = _leaf(node._saved_self, saved), node._saved_approximate
    return lambda tensors: F.gelu(x(tensors), approximate=kind)


def _changed(change: Callable[[Tensor, Any], Tensor]) -> Callable[..., _Compute | None]:
    """Return the rule of an operation that keeps nothing and has one input."""

    def rule(node: Any, saved: list[Tensor], depth: int) -> _Compute | None:
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
    "SiluBackward0": _silu,
    "GeluBackward0": _gelu,
    "ToCopyBackward0": _changed(lambda x, about: x.to(*about[0])),
    "CloneBackward0": _changed(lambda x, about: x),
    "ViewBackward0": _changed(lambda x, about: x.reshape(about[1])),
    "UnsafeViewBackward0": _changed(lambda x, about: x.reshape(about[1])),
    "TransposeBackward0": _changed(lambda x, about: x.transpose(about[2], about[3])),
}
"""Rules by the names that autograd gives its nodes."""
