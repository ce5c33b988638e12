"""Record how to compute the input of a layer again, so that it need not be kept.

A normalisation layer keeps its own input for the backward pass. A linear layer behind it can keep
the same input instead of its own, which needs no extra memory. In the backward pass it computes the
norm again. The forward hook `remember` marks the output of the norm. What other operations have
kept is read from the graph of autograd; see `saved`.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, Literal

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from scionwood.kernels.interception import FORWARDS, hooked
from scionwood.kernels.saved import RecomputePlan, plan_of, read_late

_TAG = "_scionwood_origin"
_tried: MutableMapping[Tensor, dict[tuple[str, ...], bool]] = WeakTensorKeyDictionary()
"""Whether recipes were right in a layer, by the names of their operations."""

Recompute = Literal["memory", "speed", "auto"]
"""Whether inputs of layers are computed again in the backward pass; see `origin_of`."""
CHOICES: tuple[Recompute, ...] = ("memory", "speed", "auto")
SMALL = 256 << 10
"""The bytes of an input up to which `auto` keeps it: a launch costs more than so little memory."""


def produces(module: nn.Module) -> bool:
    """Return whether `remember` belongs on a module: a norm or an activation of torch."""
    kind = type(module)
    return isinstance(module, nn.LayerNorm) or (kind in FORWARDS and kind.__module__ in _PRODUCERS)


_PRODUCERS = (nn.LayerNorm.__module__, nn.GELU.__module__)


def remember(module: Any, inputs: tuple[Any, ...], output: Any) -> None:
    """Store in an output tensor how to compute it again, if it is a norm; this is a forward hook.

    If another hook or a forward of the instance acts on the module now, the tensor is never
    computed again: nobody knows what has changed it. Under torch.compile nothing is stored, since
    the compiler decides what to keep.
    """
    if torch.compiler.is_compiling() or not output.requires_grad:
        return
    plan = None
    if not (hooked(module, marks=1) or "forward" in module.__dict__):
        if not isinstance(module, nn.LayerNorm | nn.RMSNorm | nn.GroupNorm):
            return  # the graph of autograd shows what it computes
        if read_late():
            return
        plan = _norm(module, inputs, output)
    setattr(output, _TAG, (plan, output._version))


def _norm(module: Any, inputs: tuple[Any, ...], output: Tensor) -> RecomputePlan | None:
    """Return how to compute a norm again.

    What a LayerNorm has computed, also one of a subclass, is read from the graph, except eps, which
    the graph does not have. Other norms are computed as their class does.
    """
    eps, device = module.eps, output.device.type
    if isinstance(module, nn.LayerNorm):
        node: Any = output.grad_fn
        if node is None or node.name() != "NativeLayerNormBackward0":
            return None
        shape = tuple(node._saved_normalized_shape)
        state = (node._saved_input, node._saved_weight, node._saved_bias)
        return _plan(state, lambda x, w, b: F.layer_norm(x, shape, w, b, eps), module)
    if type(module).forward is not FORWARDS[type(module)] or len(inputs) != 1:
        return None
    cast = torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)
    if isinstance(module, nn.GroupNorm):
        groups, state = module.num_groups, (inputs[0], module.weight, module.bias)
        return _plan(state, lambda x, w, b: F.group_norm(x, groups, w, b, eps), module, cast)
    shape = module.normalized_shape
    return _plan(
        (inputs[0], module.weight), lambda x, w: F.rms_norm(x, shape, w, eps), module, cast
    )


def _plan(
    values: tuple[Tensor | None, ...],
    function: Callable[..., Tensor],
    module: Any,
    cast: tuple[torch.dtype, bool] | None = None,
) -> RecomputePlan:
    """Return the plan of a function of a norm of some tensors, of which some are missing."""
    at = [i for i, value in enumerate(values) if value is not None]

    def steps(tensors: tuple[Tensor, ...]) -> Tensor:
        arguments: list[Tensor | None] = [None] * len(values)
        for i, tensor in zip(at, tensors, strict=True):
            arguments[i] = tensor
        return function(*arguments)

    operations = (type(module).__name__, str(module.eps))
    return RecomputePlan(
        [value.detach() for value in values if value is not None], steps, cast, operations
    )


def origin_of(x: Tensor, owner: Tensor, recompute: Recompute = "memory") -> RecomputePlan | None:
    """Return how to compute a tensor again, or `None` if it is unknown or shall be kept.

    Layers that read the same tensor get the same object, which computes the tensor once for all.

    Args:
        x: The input of a layer.
        owner: A parameter of the layer. The first time that it reads the result of some operations,
            the plan is tried: neither the graph nor a norm shows what was written over a tensor
            on the way, nor with which eps a subclass of a norm computes.
        recompute: `memory` computes again what can be computed. `speed` keeps every input. `auto`
            keeps those of at most `SMALL` bytes.
    """
    # A checkpointed block must save the same tensors twice, and a hook may `keep` x in between.
    if recompute == "speed" or torch.compiler.is_compiling() or read_late():
        return None
    if recompute == "auto" and x.numel() * x.itemsize <= SMALL:
        return None
    tagged: tuple[RecomputePlan | None, int] | None = getattr(x, _TAG, None)
    is_tagged = tagged is not None and tagged[1] == x._version
    plan = tagged[0] if tagged is not None and is_tagged else plan_of(x)
    if plan is None or type(x) is not Tensor:  # a fake one has no values to compare
        return plan if is_tagged else None
    tried = _tried.setdefault(owner, {})
    if plan.operations not in tried:
        tried[plan.operations] = torch.equal(plan.compute(plan.tensors), x)
    plan = plan if tried[plan.operations] else None
    setattr(x, _TAG, (plan, x._version))
    return plan


def keep(x: Tensor) -> None:
    """Let the layers that read a tensor keep it, those too that have read it already.

    A hook on one of the layers may write over the tensor through `.data`, which nothing shows.
    """
    if torch.compiler.is_compiling() or type(x) is not Tensor or not x.requires_grad:
        return
    plan, _ = getattr(x, _TAG, (None, 0))
    if plan is not None:
        plan.keep(x)
    setattr(x, _TAG, (None, x._version))
