"""LoRA linear layers as one differentiable operator that keeps little for the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scionwood.kernels import mask, operators
from scionwood.kernels.operators import as_dtype, reshaped
from scionwood.kernels.origin import Recompute, origin_of
from scionwood.kernels.saved import RecomputePlan, sources


def lora_linear(
    x: Tensor,
    weight: Tensor | Callable[[], Tensor],
    bias: Tensor | None,
    a: Tensor,
    b: Tensor,
    *,
    scaling: float = 1.0,
    gate: tuple[Tensor, Tensor | None] | None = None,
    dropout: float = 0.0,
    recompute: Recompute = "auto",
) -> Tensor:
    """Compute `y = x W^T + bias + s B (gate(A dropout(x)))` with a frozen weight W.

    Without a gate this is LoRA (arXiv 2106.09685). With a gate it is DISeL (arXiv 2605.19028): the
    rank activations are multiplied by `sigmoid(W_g dropout(x) + b_g)`. The computation uses the
    autocast dtype, or the dtype of x without autocast. Gradients have the dtypes of their
    parameters.

    For the backward pass the operator keeps z = A x of shape (m, r), and x. If x is the output of a
    module with the hook `origin.remember`, it keeps the input of that module instead of x, which
    the module keeps in any case. The option `recompute` decides. The dropout mask is computed again
    from a seed of 4 bytes.

    A weight that is stored quantised is a function, as in QLoRA (arXiv 2305.14314). It is called in
    the forward pass and again in the backward pass, and its result is freed after each.

    Args:
        x: (..., k), floating point.
        weight: (n, k), without gradient. Or a function that returns it, in any floating dtype.
        bias: (n,) or `None`.
        a: (r, k).
        b: (n, r).
        scaling: The factor s, for instance `alpha / r`, or `alpha / sqrt(r)` for rsLoRA.
        gate: W_g (r, k) and b_g (r,), or `None` for no gate.
        dropout: The probability that an entry of x is dropped before the adapter. Pass 0 outside
            training.
        recompute: `memory` computes x again where it can, `speed` keeps it, and `auto` keeps an x
            of at most 256 KiB.

    Returns:
        (..., n), in the dtype of the computation.

    Raises:
        ValueError: The weight needs a gradient that is recorded, shapes do not fit, or dropout is
            outside [0, 1).

    Example:
        >>> x, weight, a, b = (torch.randn(*shape) for shape in [(5, 8), (4, 8), (2, 8), (4, 2)])
        >>> y = authoring.lora_linear(x, weight, None, a, b, scaling=0.5)
        >>> torch.allclose(y, x @ (weight + 0.5 * b @ a).T, atol=1e-5)
        True
        >>> torch.equal(authoring.lora_linear(x, lambda: weight, None, a, b, scaling=0.5), y)
        True
    """
    dequantise = None if isinstance(weight, Tensor) else weight
    stored = weight if isinstance(weight, Tensor) else None
    if stored is not None:
        check(x, stored, a, b, gate)
    seed = mask.new_seed(x.device) if dropout and mask.threshold(dropout) else None
    gate_bias = None
    if gate is not None:
        a = torch.cat((a, gate[0]))
        gate_bias = a.new_zeros(b.shape[1]) if gate[1] is None else gate[1]
    origin = origin_of(x, a if stored is None else stored, recompute)
    call = _Call(working(x), scaling, dropout, origin, dequantise)
    # Reshaped out here, since a view returned by the Function could not be changed in place.
    rows = x if x.dim() == 2 else x.reshape(-1, x.shape[-1])
    y: Tensor = _LoraLinear.apply(rows, stored, bias, a, b, gate_bias, seed, call)  # type: ignore[no-untyped-call, unused-ignore]
    return y if x.dim() == 2 else reshaped(y, (*x.shape[:-1], y.shape[1]))


def check(
    x: Tensor,
    weight: Tensor,
    a: Tensor,
    b: Tensor,
    gate: tuple[Tensor, Tensor | None] | None = None,
) -> None:
    """Raise `ValueError` if the operands of `lora_linear` do not fit."""
    if weight.requires_grad and torch.is_grad_enabled():
        raise ValueError(
            "weight requires a gradient: this operator needs a frozen base. Freeze the weight"
        )
    (n, k), r = weight.shape, a.shape[0]
    if x.shape[-1] != k or a.shape[1] != k or b.shape != (n, r):
        shapes = f"x {tuple(x.shape)}, weight {n, k}, a {tuple(a.shape)}, b {tuple(b.shape)}"
        raise ValueError(f"{shapes}: they must be (..., k), (n, k), (r, k), (n, r)")
    if gate is not None and gate[0].shape != a.shape:
        raise ValueError(f"gate {tuple(gate[0].shape)}: it must have the shape of a, {r, k}")


def working(x: Tensor) -> torch.dtype:
    """Return the dtype of a computation: that of autocast, or that of x."""
    device = x.device.type
    enabled = torch.is_autocast_enabled(device) and x.dtype != torch.float64
    return torch.get_autocast_dtype(device) if enabled else x.dtype


@final
class _Call(NamedTuple):
    """The arguments of a call that are not tensors."""

    dtype: torch.dtype
    scaling: float
    dropout: float
    origin: RecomputePlan | None
    dequantise: Callable[[], Tensor] | None
    """Returns a weight that is not stored."""

    def weight(self, stored: Tensor | None) -> Tensor:
        """Return the weight in the dtype of the computation."""
        weight = self.dequantise() if self.dequantise is not None else stored
        working_weight: Tensor = as_dtype(weight, self.dtype)
        return working_weight


@final
class _LoraLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        a: Tensor,
        b: Tensor,
        gate_bias: Tensor | None,
        seed: Tensor | None,
        call: _Call,
    ) -> Tensor:
        dtype, scaling, dropout, origin, _ = call
        rows = as_dtype(x, dtype)
        operands = (call.weight(weight), as_dtype(bias, dtype), a, b, gate_bias)
        operator = torch.ops.scionwood.lora_linear if operators.traced(x) else operators.forward
        y: Tensor
        y, z = operator(rows, *operands, seed, scaling, dropout)
        learns = any(ctx.needs_input_grad[3:6])
        saved_z = z if learns or gate_bias is not None else None
        inputs = sources(rows, origin) if learns else ()
        ctx.save_for_backward(weight, a, b, saved_z, gate_bias, seed, *inputs)
        ctx.call, ctx.x_dtype = call, x.dtype
        ctx.bias_dtype = None if bias is None else bias.dtype
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        if torch.is_grad_enabled():  # asked for a graph; the wrapper takes 8 microseconds
            return _once(ctx, grad)
        if torch.is_autocast_enabled(grad.device.type):  # the forward pass chose the dtypes
            with torch.autocast(grad.device.type, enabled=False):
                return _backward(ctx, grad)
        return _backward(ctx, grad)


@once_differentiable
def _once(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _LoraLinear.backward(ctx, grad)


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    weight, a, b, z, gate_bias, seed, *inputs = ctx.saved_tensors
    dtype, scaling, dropout, origin, _ = ctx.call
    needs = ctx.needs_input_grad
    rows = as_dtype(grad, dtype)
    x = inputs[0] if inputs else None
    if x is not None and origin is not None:
        x = as_dtype(origin.recompute(tuple(inputs)), dtype).reshape(-1, a.shape[1])
    weight = ctx.call.weight(weight)
    traced = operators.traced(grad)
    operator = torch.ops.scionwood.lora_linear_backward if traced else operators.backward
    dx, da, db, by_gate = operator(
        rows, x, weight, a, b, z, gate_bias, seed, scaling, dropout, needs[0]
    )
    return (
        as_dtype(dx, ctx.x_dtype) if needs[0] else None,
        None,
        rows.sum(0).to(ctx.bias_dtype) if needs[2] else None,
        as_dtype(da, a.dtype) if needs[3] else None,
        as_dtype(db, b.dtype) if needs[4] else None,
        as_dtype(by_gate, gate_bias.dtype) if needs[5] else None,
        None,
        None,
    )
