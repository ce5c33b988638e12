"""LoRA linear layers that read one tensor, as one node of autograd that keeps little.

All tensors of rank width have the r rows first: `z^T = A x^T`, `dz^T = s B^T dY^T`,
`dA = dz^T x` and `dB^T = s h^T dY`. In float32 on a CPU, the library takes two to five times as
long for the other order. The term of rank r is written first and the base product adds to it, so
that in half precision the small term is rounded, and not the sum twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scionwood.kernels import mask
from scionwood.kernels.again import Recompute, Watch, source_of
from scionwood.kernels.products import (
    add_by_x,
    as_dtype,
    by_rank,
    gates,
    low_rank,
    output,
    through_gate,
)

Weight = Tensor | Callable[[], Tensor]
"""A frozen weight (n, k), or a function that returns it."""


@final
class Call(NamedTuple):
    """The arguments of a call that autograd does not see."""

    dtype: torch.dtype
    """The dtype of the computation."""
    weights: tuple[Weight, ...]
    scalings: tuple[float, ...]
    recompute: Recompute = "auto"
    watch: Watch = ()
    """See `again.source_of`."""
    seed: Tensor | None = None
    p: float = 0.0
    gated: bool = False


def run(x: Tensor, call: Call, *factors: Tensor | None) -> tuple[Tensor, ...]:
    """Compute layers that read one tensor; no argument is checked.

    Args:
        x: (..., k), of any floating dtype.
        call: The rest. Only a single layer may have a gate or dropout.
        factors: a (r, k), b (n, r) and bias (n,) of one layer after the other; last, the bias of
            a gate, whose rows follow those of a.

    Returns:
        (..., n) of each layer.
    """
    outputs: tuple[Tensor, ...] = _Node.apply(x, call, *factors)  # type: ignore[no-untyped-call, unused-ignore]
    return outputs


def working(x: Tensor) -> torch.dtype:
    """Return the dtype of a computation: that of autocast, or that of x."""
    if not torch._C._is_any_autocast_enabled():
        return x.dtype
    device = x.device.type
    enabled = torch.is_autocast_enabled(device) and x.dtype != torch.float64
    return torch.get_autocast_dtype(device) if enabled else x.dtype


def _low(call: Call, factors: Sequence[Any]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return all A below each other, and every B, in the dtype of the computation."""
    dtype = call.dtype
    if len(call.weights) == 1:
        return as_dtype(factors[0], dtype), (as_dtype(factors[1], dtype),)
    stacked = as_dtype(torch.cat(list(factors[::3])), dtype)
    return stacked, tuple([as_dtype(b, dtype) for b in factors[1::3]])


@final
class _One(torch.autograd.Function):
    """`one`: a layer without gate and dropout, with as few steps of Python as there can be."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor, b: Tensor, bias: Any, call: Any) -> Tensor:
        weight, scaling, dtype, recompute, watch = call
        low_a, low_b = low = as_dtype(a, dtype), as_dtype(b, dtype)
        shape = x.shape
        cast = x if x.dtype is dtype else x.to(dtype)
        rows = cast if len(shape) == 2 else cast.reshape(-1, shape[-1])
        loaded = weight if weight.dtype is dtype else weight.to(dtype)
        z = low_rank(rows, low_a)
        y = output(rows, shape, loaded, as_dtype(bias, dtype), low_b, z, scaling)
        _, of_a, of_b, _, _ = ctx.needs_input_grad
        source = source_of(x, weight, recompute, watch) if of_a or of_b else None
        if source is not None:
            source.users += 1
        ctx.save_for_backward(cast if source is None else None, a, b, z)
        ctx.call = weight, weight._version, scaling, dtype, low, source, shape
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        if torch.is_grad_enabled() or torch._C._is_any_autocast_enabled():
            return _plainly(_One.backward, ctx, grad)
        x, _, _, z = ctx.saved_tensors
        weight, version, scaling, dtype, (a, b), source, shape = ctx.call
        of_x, of_a, of_b, of_bias, _ = ctx.needs_input_grad
        flat = len(shape) == 2
        if not flat:
            grad = grad.reshape(-1, grad.shape[-1])
        if grad.dtype is not dtype:
            grad = grad.to(dtype)
        dx = da = None
        dz, db = by_rank(grad, b, z if of_b else None, scaling)
        if of_x:
            dx = add_by_x(None, grad, _unchanged(weight, version, dtype), dz, a)
            if not flat:
                dx.resize_(shape)
        if of_a:
            if x is None:
                x = as_dtype(source.read(ctx.next_functions[0][0]), dtype)
            da = torch.mm(dz, x if flat else x.reshape(-1, shape[-1]))
        return dx, da, db, grad.sum(0) if of_bias else None, None


one: Callable[..., Tensor] = _One.apply
"""Compute a layer without gate and dropout, as `run` does: `one(x, a, b, bias, call)`.

`call` has the weight, the scaling, the dtype of the computation, and `recompute` and `watch` of
`again.source_of`.
"""


def _plainly(backward: Any, ctx: Any, *grads: Tensor | None) -> Any:
    """Run a backward pass in the dtypes of the forward pass, without a graph of its own."""
    if torch.is_grad_enabled():  # asked for a graph; the wrapper takes 8 microseconds
        return once_differentiable(backward)(ctx, *grads)
    device = next((grad.device.type for grad in grads if grad is not None), "cpu")
    with torch.autocast(device, enabled=False):
        return backward(ctx, *grads)


def _unchanged(weight: Weight, version: int, dtype: torch.dtype) -> Tensor:
    """Return a weight in the dtype of the computation, if it is that of the forward pass."""
    if isinstance(weight, Tensor) and weight._version != version:
        raise RuntimeError(
            "a base weight that the gradient of x needs has been modified by an inplace "
            "operation. Change it after the backward pass"
        )
    return _loaded(weight, dtype)


def _loaded(weight: Weight, dtype: torch.dtype) -> Tensor:
    loaded: Tensor = as_dtype(weight if isinstance(weight, Tensor) else weight(), dtype)
    return loaded


@final
class _Node(torch.autograd.Function):
    """`run`; the weights are no arguments, and their versions are compared instead."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: Call, *factors: Any) -> tuple[Tensor, ...]:
        dtype, weights, scalings, recompute, watch, seed, p, gated = call
        shape = x.shape
        cast = x if x.dtype is dtype else x.to(dtype)
        rows = cast if len(shape) == 2 else cast.reshape(-1, shape[-1])
        a, bs = ctx.low = _low(call, factors)
        z = low_rank(rows if seed is None else mask.masked(rows, seed, p), a)
        if seed is not None:
            z.mul_(mask.growth(p))
        ys = [
            output(rows, shape, _loaded(weight, dtype), as_dtype(bias, dtype), b, h, scaling)
            for weight, bias, b, h, scaling in zip(
                weights, factors[2::3], bs, _hidden(z, bs, factors, gated), scalings, strict=False
            )
        ]
        needs = ctx.needs_input_grad
        source, learns = None, True in needs[2:]
        if learns:
            owner = weights[0] if isinstance(weights[0], Tensor) else factors[0]
            source = source_of(x, owner, recompute, watch)
        if source is not None:
            source.users += 1
        saved = cast if learns and source is None else None
        ctx.save_for_backward(saved, z if learns or gated else None, *_without_biases(factors))
        ctx.call, ctx.shape, ctx.source = call, shape, source
        ctx.versions = [w._version if isinstance(w, Tensor) else 0 for w in weights]
        ctx.set_materialize_grads(False)
        return tuple(ys)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        if torch.is_grad_enabled() or torch._C._is_any_autocast_enabled():
            return _plainly(_Node.backward, ctx, *grads)  # type: ignore[no-any-return]
        return _backward(ctx, grads)


def _without_biases(factors: Sequence[Any]) -> list[Any]:
    """Return the factors to be saved; the backward pass needs the bias of a gate alone."""
    return [None if at % 3 == 2 else factor for at, factor in enumerate(factors)]


def _hidden(z: Tensor, bs: Sequence[Tensor], factors: Sequence[Any], gated: bool) -> Any:
    """Return h (r, m) of each layer."""
    if gated:
        value, gate = gates(z, factors[3])
        return (value * gate,)
    return (z,) if len(bs) == 1 else z.split_with_sizes([b.shape[1] for b in bs])


def _backward(ctx: Any, grads: Sequence[Tensor | None]) -> tuple[Any, ...]:
    """Return the gradients; autograd casts each to the dtype of its argument."""
    call: Call = ctx.call
    dtype, _, scalings, *_, gated = call
    needs = ctx.needs_input_grad
    result: list[Any] = [None] * len(needs)
    if all(grad is None for grad in grads):
        return tuple(result)
    saved, z, *factors = ctx.saved_tensors
    learns = True in needs[2:]
    a, bs = ctx.low
    hs = _hidden(z, bs, factors, gated) if z is not None else [None] * len(bs)
    rows: list[Tensor | None] = []
    low: list[Tensor] = []
    for at, (grad, b, h, scaling) in enumerate(zip(grads, bs, hs, scalings, strict=True)):
        if grad is None:
            rows.append(None)
            low.append(a.new_zeros(b.shape[1], ctx.shape[:-1].numel()))
            continue
        flat = as_dtype(grad if grad.dim() == 2 else grad.reshape(-1, grad.shape[-1]), dtype)
        rows.append(flat)
        dh, result[3 + 3 * at] = by_rank(flat, b, h if learns else None, scaling)
        low.append(dh)
        if needs[4 + 3 * at]:
            result[4 + 3 * at] = flat.sum(0)
    dz = low[0] if len(low) == 1 else torch.cat(low)
    if gated:
        dz = through_gate(dz, z, factors[3])
        result[5] = dz[len(dz) // 2 :].sum(1)
    keep = None
    if call.seed is not None:
        dz = dz * mask.growth(call.p)
        keep = mask.keep(call.seed, (dz.shape[1], a.shape[1]), call.p)
    if needs[0]:
        result[0] = _by_x(ctx, rows, dz, a, keep).resize_(ctx.shape)
    if learns:
        if saved is None:
            saved = as_dtype(ctx.source.read(ctx.next_functions[0][0]), dtype)
        x = saved if saved.dim() == 2 else saved.reshape(-1, saved.shape[-1])
        da = torch.mm(dz, x if keep is None else x * keep)
        if len(low) == 1:
            result[2] = da
        else:
            result[2::3] = da.split_with_sizes([len(part) for part in low])
    return tuple(result)


def _by_x(
    ctx: Any, grads: Sequence[Tensor | None], dz: Tensor, a: Tensor, keep: Tensor | None
) -> Tensor:
    """Return the gradient of x (m, k); each product adds to it in place."""
    dx = None if keep is None else torch.mm(dz.t(), a).mul_(keep)
    for grad, weight, version in zip(grads, ctx.call.weights, ctx.versions, strict=True):
        if grad is not None:
            dx = add_by_x(dx, grad, _unchanged(weight, version, grad.dtype), dz, a)
    assert dx is not None, "one of the outputs has a gradient"
    return dx
