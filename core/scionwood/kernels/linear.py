"""A LoRA linear layer as one differentiable operator that keeps little for the backward pass."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scionwood.kernels import mask
from scionwood.kernels.again import Recompute
from scionwood.kernels.node import Call, Weight, run, working
from scionwood.kernels.products import as_dtype


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
        return reference(x, w, c, low_a, low_b, d, seed, scaling, dropout)
    call = Call(dtype, (weight,), (scaling,), recompute, (), seed, dropout, gate is not None)
    return run(x, call, a, b, bias, *(() if gate is None else (gate_bias,)))[0]


def reference(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    a: Tensor,
    b: Tensor,
    gate_bias: Tensor | None,
    seed: Tensor | None,
    scaling: float,
    p: float,
) -> Tensor:
    """Return what defines `lora_linear`, in plain torch and in the dtype of x.

    With a gate, A has the r rows of the adapter followed by the r rows of the gate.
    """
    dropped = x if seed is None else mask.masked(x, seed, p) * mask.growth(p)
    h = F.linear(dropped, a)
    if gate_bias is not None:
        value, gate = h.chunk(2, -1)
        h = value * (gate + gate_bias).sigmoid()
    return torch.add(F.linear(x, weight, bias), F.linear(h, b), alpha=scaling)


def transformed(x: Tensor) -> bool:
    """Return whether a compiler or a transform of `torch.func` must see plain operations."""
    return (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or type(x) not in (Tensor, torch.nn.Parameter)
    )


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
