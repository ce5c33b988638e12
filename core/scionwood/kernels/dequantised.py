"""LoRA on a quantised weight: the operator of `linear` on a weight that lives for one product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scionwood.kernels import mask, operators
from scionwood.kernels.linear import working
from scionwood.kernels.operators import reshaped
from scionwood.kernels.origin import Recompute, origin_of
from scionwood.kernels.saved import RecomputePlan, sources


def lora_linear_dequantised(
    x: Tensor,
    dequantise: Callable[[], Tensor],
    bias: Tensor | None,
    a: Tensor,
    b: Tensor,
    *,
    scaling: float = 1.0,
    dropout: float = 0.0,
    recompute: Recompute = "auto",
) -> Tensor:
    """Compute `y = x W^T + bias + s B A dropout(x)` with a weight W that is stored quantised.

    This is QLoRA (arXiv 2305.14314). W is computed in the forward pass and again in the backward
    pass, and is freed after each. The autograd graph keeps z = A x, and x as `lora_linear` does.

    Args:
        x: (..., k), floating point.
        dequantise: returns W (n, k), without gradient, in any floating dtype.
        bias: (n,) without gradient, or `None`.
        a: (r, k).
        b: (n, r).
        scaling: The factor s, for instance `alpha / r`.
        dropout: The probability that an entry of x is dropped before the adapter. Pass 0 outside
            training.
        recompute: See `lora_linear`.

    Returns:
        (..., n), in the autocast dtype, or in the dtype of x without autocast.

    Example:
        >>> from scionwood.kernels.dequantised import lora_linear_dequantised
        >>> x, weight, a, b = (torch.randn(*shape) for shape in [(5, 8), (4, 8), (2, 8), (4, 2)])
        >>> y = lora_linear_dequantised(x, lambda: weight, None, a, b)
        >>> torch.allclose(y, x @ (weight + b @ a).T, atol=1e-5)
        True
    """
    seed = mask.new_seed(x.device) if dropout and mask.threshold(dropout) else None
    call = _Call(dequantise, working(x), scaling, dropout, origin_of(x, a, recompute))
    y: Tensor = _Dequantised.apply(x.reshape(-1, x.shape[-1]), bias, a, b, seed, call)  # type: ignore[no-untyped-call, unused-ignore]
    return reshaped(y, (*x.shape[:-1], b.shape[0]))


@final
class _Call(NamedTuple):
    """The arguments of a call that are not tensors."""

    dequantise: Callable[[], Tensor]
    dtype: torch.dtype
    scaling: float
    dropout: float
    origin: RecomputePlan | None


@final
class _Dequantised(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        bias: Tensor | None,
        a: Tensor,
        b: Tensor,
        seed: Tensor | None,
        call: _Call,
    ) -> Tensor:
        dtype = call.dtype
        low_bias = None if bias is None else bias.to(dtype)
        operands = (call.dequantise().to(dtype), low_bias, a.to(dtype), b.to(dtype))
        y: Tensor
        y, z = operators.forward(x.to(dtype), *operands, None, seed, call.scaling, call.dropout)
        ctx.save_for_backward(a, b, z, seed, *sources(x, call.origin))
        ctx.call, ctx.x_dtype = call, x.dtype
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        with torch.autocast(grad.device.type, enabled=False):  # the forward pass chose the dtype
            return _backward(ctx, grad)


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    a, b, z, seed, *inputs = ctx.saved_tensors
    dequantise, dtype, scaling, dropout, origin = ctx.call
    x = inputs[0] if origin is None else origin.recompute(tuple(inputs)).reshape(-1, a.shape[1])
    operands = (x.to(dtype), dequantise().to(dtype), a.to(dtype), b.to(dtype), z)
    dx, da, db, _ = operators.backward(
        grad.to(dtype), *operands, None, seed, scaling, dropout, ctx.needs_input_grad[0]
    )
    by_x = dx.to(ctx.x_dtype) if ctx.needs_input_grad[0] else None
    return by_x, None, da.to(a.dtype), db.to(b.dtype), None, None
