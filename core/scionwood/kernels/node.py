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

from scionwood.kernels import dispatch, mask, reference
from scionwood.kernels.again import Recompute, Watch, source_of

Weight = Tensor | Callable[[], Tensor]
"""A frozen weight (n, k), or a function that returns it."""
_ZEROS: dict[tuple[torch.dtype, torch.device], Tensor] = {}


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
    low: tuple[Tensor, tuple[Tensor, ...]] | None = None
    """All A below each other and every B in the dtype of the computation, if they are at hand."""
    seed: Tensor | None = None
    p: float = 0.0
    gated: bool = False


def lora_linear(
    x: Tensor,
    weight: Weight,
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

    For the backward pass the operator keeps z = A x of shape (r, m), and x. If x is the output of a
    norm, an activation or a product, autograd keeps what it is computed from. The operator then
    computes x again in place of keeping it, as `recompute` says. The dropout mask is computed again
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
    if isinstance(weight, Tensor):
        _check(x, weight, a, b, gate)
    seed = mask.new_seed(x.device) if dropout and mask.threshold(dropout) else None
    gate_bias = None
    if gate is not None:
        a = torch.cat((a, gate[0]))
        gate_bias = a.new_zeros(b.shape[1]) if gate[1] is None else gate[1]
    dtype = working(x)
    if transformed(x):
        stored = weight if isinstance(weight, Tensor) else weight()
        x, w, c, low_a, low_b, d = (as_dtype(t, dtype) for t in (x, stored, bias, a, b, gate_bias))
        return reference.lora_linear(x, w, c, low_a, low_b, d, seed, scaling, dropout)[0]
    call = Call(dtype, (weight,), (scaling,), recompute, (), None, seed, dropout, gate is not None)
    return run(x, call, a, b, bias, *(() if gate is None else (gate_bias,)))[0]


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


def transformed(x: Tensor) -> bool:
    """Return whether a compiler or a transform of `torch.func` must see plain operations."""
    return (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or type(x) not in (Tensor, torch.nn.Parameter)
    )


def as_dtype(tensor: Any, dtype: torch.dtype) -> Any:
    """Convert a tensor; a call of `Tensor.to` costs a microsecond even if nothing changes."""
    return tensor if tensor is None or tensor.dtype is dtype else tensor.to(dtype)


def _check(
    x: Tensor, weight: Tensor, a: Tensor, b: Tensor, gate: tuple[Tensor, Tensor | None] | None
) -> None:
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


def _zero(like: Tensor) -> Tensor:
    """Return a zero, which `addmm` needs where there is nothing to add."""
    key = like.dtype, like.device
    zero = _ZEROS.get(key)
    if zero is None:
        zero = _ZEROS[key] = like.new_zeros(())
    return zero


def _scaled(left: Tensor, right: Tensor, scaling: float) -> Tensor:
    """Return `scaling left right`, one operation in place of two."""
    return torch.addmm(_zero(left), left, right, beta=0, alpha=scaling)


def _low(call: Call, factors: Sequence[Any]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return all A below each other, and every B, in the dtype of the computation."""
    if call.low is not None:
        return call.low
    dtype = call.dtype
    if len(call.weights) == 1:
        return as_dtype(factors[0], dtype), (as_dtype(factors[1], dtype),)
    stacked = as_dtype(torch.cat(list(factors[::3])), dtype)
    return stacked, tuple([as_dtype(b, dtype) for b in factors[1::3]])


def _gate(z: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return the values (r, m) and the gates (r, m) of z (2r, m)."""
    value, logit = z.chunk(2)
    return value, (logit + bias.to(z.dtype)[:, None]).sigmoid()


def _output(
    rows: Tensor,
    shape: torch.Size,
    weight: Tensor,
    bias: Tensor | None,
    b: Tensor,
    h: Tensor,
    scaling: float,
) -> Tensor:
    """Return y; it is resized and no view, so that it may be changed in place."""
    if rows.is_cuda and (fused := dispatch.fused(rows, weight, len(h))):
        y: Tensor = fused.product(rows, weight.t(), bias, h.t(), b.t(), scaling)
    else:
        added, beta = (_zero(rows), 0) if bias is None else (bias, 1)
        y = torch.addmm(added, h.t(), b.t(), beta=beta, alpha=scaling)
        torch.addmm(y, rows, weight.t(), out=y)
    return y if len(shape) == 2 else y.resize_((*shape[:-1], len(weight)))


@final
class _One(torch.autograd.Function):
    """`one`: a layer without gate and dropout, with as few steps of Python as there can be."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor, b: Tensor, bias: Any, call: Any) -> Tensor:
        weight, scaling, dtype, recompute, watch, low = call
        if low is None:
            low = (a, b) if a.dtype is dtype else (a.to(dtype), b.to(dtype))
        low_a, low_b = low
        shape = x.shape
        cast = x if x.dtype is dtype else x.to(dtype)
        rows = cast if len(shape) == 2 else cast.reshape(-1, shape[-1])
        loaded = weight if weight.dtype is dtype else weight.to(dtype)
        z = torch.mm(low_a, rows.t())
        y = _output(rows, shape, loaded, as_dtype(bias, dtype), low_b, z, scaling)
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
        dz, db = _by_rank(grad, b, z if of_b else None, scaling)
        if of_x:
            dx = _add_by_x(None, grad, _unchanged(weight, version, dtype), dz, a)
            if not flat:
                dx.resize_(shape)
        if of_a:
            if x is None:
                x = as_dtype(source.read(ctx.next_functions[0][0]), dtype)
            da = torch.mm(dz, x if flat else x.reshape(-1, shape[-1]))
        return dx, da, db, grad.sum(0) if of_bias else None, None


one: Callable[..., Tensor] = _One.apply
"""Compute a layer without gate and dropout, as `run` does: `one(x, a, b, bias, call)`.

`call` has the weight, the scaling, the dtype of the computation, `recompute` and `watch` of
`again.source_of`, and the pair of a and b in that dtype, or `None` if they are not at hand.
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
        dtype, weights, scalings, recompute, watch, _, seed, p, gated = call
        shape = x.shape
        cast = x if x.dtype is dtype else x.to(dtype)
        rows = cast if len(shape) == 2 else cast.reshape(-1, shape[-1])
        a, bs = _low(call, factors)
        z = torch.mm(a, (rows if seed is None else mask.masked(rows, seed, p)).t())
        if seed is not None:
            z.mul_(mask.growth(p))
        ys = [
            _output(rows, shape, _loaded(weight, dtype), as_dtype(bias, dtype), b, h, scaling)
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
        value, gate = _gate(z, factors[3])
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
    a, bs = _low(call, factors)
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
        dh, result[3 + 3 * at] = _by_rank(flat, b, h if learns else None, scaling)
        low.append(dh)
        if needs[4 + 3 * at]:
            result[4 + 3 * at] = flat.sum(0)
    dz = low[0] if len(low) == 1 else torch.cat(low)
    if gated:
        dz = _through_gate(dz, z, factors[3])
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


def _by_rank(
    grad: Tensor, b: Tensor, h: Tensor | None, scaling: float
) -> tuple[Tensor, Tensor | None]:
    """Return dh (r, m), and dB (n, r) unless h is `None`."""
    if h is not None and grad.is_cuda and (fused := dispatch.fused(grad, b, b.shape[1])):
        joint: tuple[Tensor, Tensor] = fused.by_rank(grad, b, h, scaling)
        return joint
    dh = _scaled(b.t(), grad.t(), scaling)
    return dh, None if h is None else _scaled(h, grad, scaling).t()


def _through_gate(dh: Tensor, z: Tensor, gate_bias: Tensor) -> Tensor:
    value, gate = _gate(z, gate_bias)
    return torch.cat((dh * gate, dh * value * gate * (1 - gate)))


def _by_x(
    ctx: Any, grads: Sequence[Tensor | None], dz: Tensor, a: Tensor, keep: Tensor | None
) -> Tensor:
    """Return the gradient of x (m, k); each product adds to it in place."""
    dx = None if keep is None else torch.mm(dz.t(), a).mul_(keep)
    for grad, weight, version in zip(grads, ctx.call.weights, ctx.versions, strict=True):
        if grad is not None:
            dx = _add_by_x(dx, grad, _unchanged(weight, version, grad.dtype), dz, a)
    assert dx is not None, "one of the outputs has a gradient"
    return dx


def _add_by_x(dx: Tensor | None, grad: Tensor, weight: Tensor, dz: Tensor, a: Tensor) -> Tensor:
    """Add dY W to dx in place; there is none yet, it starts from the rank term."""
    if dx is None:
        if grad.is_cuda and (fused := dispatch.fused(grad, weight, len(dz))):
            return fused.product(grad, weight, None, dz.t(), a, 1.0)  # type: ignore[no-any-return]
        dx = torch.mm(dz.t(), a)
    return dx.addmm_(grad, weight)
