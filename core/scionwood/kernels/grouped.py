"""LoRA linear layers that read one tensor, as one differentiable operator.

Attention has three such layers, q, k and v, and a gated unit has two, gate and up. One product with
all rows of A gives z for every layer, and the backward pass reads x once for all gradients of A.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scionwood.kernels import operators
from scionwood.kernels.linear import check, working
from scionwood.kernels.operators import as_dtype, reshaped
from scionwood.kernels.origin import Recompute, origin_of
from scionwood.kernels.reference import Member
from scionwood.kernels.saved import RecomputePlan, sources


def lora_linears(
    x: Tensor, members: Sequence[Member], *, recompute: Recompute = "auto"
) -> tuple[Tensor, ...]:
    """Compute `lora_linear` of several layers for one input.

    There is no gate and no dropout. For the backward pass the operator keeps what `lora_linear`
    keeps, and computes x again at most once.

    Args:
        x: (..., k), floating point.
        members: The layers; all have k inputs and frozen weights.
        recompute: See `lora_linear`.

    Returns:
        One tensor (..., n) for each layer, in the dtype of the computation.

    Raises:
        ValueError: A weight needs a gradient that is recorded, or shapes do not fit.

    Example:
        >>> from scionwood.kernels.grouped import Member, lora_linears
        >>> x, q, k = torch.randn(5, 8), torch.randn(4, 8), torch.randn(6, 8)
        >>> a = torch.randn(2, 8)
        >>> members = [Member(q, None, a, torch.zeros(4, 2)), Member(k, None, a, torch.ones(6, 2))]
        >>> [tuple(y.shape) for y in lora_linears(x, members)]
        [(5, 4), (5, 6)]
    """
    for weight, _, a, b, _ in members:
        check(x, weight, a, b)
    call = _Call(
        working(x),
        tuple(member.scaling for member in members),
        origin_of(x, members[0].weight, recompute),
    )
    rows = x if x.dim() == 2 else x.reshape(-1, x.shape[-1])
    flat = [tensor for member in members for tensor in member[:4]]
    ys: tuple[Tensor, ...] = _LoraLinears.apply(rows, call, *flat)  # type: ignore[no-untyped-call, unused-ignore]
    return ys if x.dim() == 2 else tuple(reshaped(y, (*x.shape[:-1], y.shape[1])) for y in ys)


@final
class _Call(NamedTuple):
    """The arguments of a call that are not tensors."""

    dtype: torch.dtype
    scalings: tuple[float, ...]
    origin: RecomputePlan | None


def _members(flat: Sequence[Any], call: _Call) -> Iterator[Member]:
    """Yield the layers with weights and biases in the dtype of the computation."""
    for at, scaling in enumerate(call.scalings):
        weight, bias, a, b = flat[4 * at : 4 * at + 4]
        yield Member(as_dtype(weight, call.dtype), as_dtype(bias, call.dtype), a, b, scaling)


@final
class _LoraLinears(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, call: _Call, *flat: Tensor | None) -> tuple[Tensor, ...]:
        rows = as_dtype(x, call.dtype)
        members = tuple(_members(flat, call))
        ys, z = operators.grouped_forward(rows, members)
        learns = any(ctx.needs_input_grad[2:])
        inputs = sources(rows, call.origin) if learns else ()
        saved_tensors = [
            None if at % 4 == 1 else tensor for at, tensor in enumerate(flat)
        ]  # no bias
        ctx.save_for_backward(z if learns else None, *saved_tensors, *inputs)
        ctx.call, ctx.x_dtype = call, x.dtype
        ctx.dtypes = [None if tensor is None else tensor.dtype for tensor in flat]
        ctx.set_materialize_grads(False)
        return tuple(ys)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        if all(grad is None for grad in grads):
            return (None,) * (2 + len(ctx.dtypes))
        device = next(grad for grad in grads if grad is not None).device.type
        with torch.autocast(device, enabled=False):  # the forward pass chose the dtypes
            return _backward(ctx, grads)


def _backward(ctx: Any, grads: tuple[Tensor | None, ...]) -> tuple[Any, ...]:
    call, dtypes, needs = ctx.call, ctx.dtypes, ctx.needs_input_grad
    z, *saved = ctx.saved_tensors
    flat, inputs = saved[: len(dtypes)], saved[len(dtypes) :]
    members = tuple(_members(flat, call))
    rows = [as_dtype(grad, call.dtype) for grad in grads]
    x = inputs[0] if inputs else None
    if x is not None and call.origin is not None:
        width = members[0].a.shape[1]
        x = as_dtype(call.origin.recompute(tuple(inputs)), call.dtype).reshape(-1, width)
    dx, pairs = operators.grouped_backward(rows, x, members, z, needs[0])
    gradients: list[Any] = []
    for grad, (da, db) in zip(rows, pairs, strict=True):
        at = len(gradients)
        needs_of_layer = needs[2 + at : 6 + at]
        by_bias = grad.sum(0).to(dtypes[at + 1]) if needs_of_layer[1] and grad is not None else None
        by_a = as_dtype(da, dtypes[at + 2]) if needs_of_layer[2] else None
        by_b = as_dtype(db, dtypes[at + 3]) if needs_of_layer[3] else None
        gradients += [None, by_bias, by_a, by_b]
    return as_dtype(dx, ctx.x_dtype) if needs[0] else None, None, *gradients
