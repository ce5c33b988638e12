"""The operators `scionwood::lora_linear` and `lora_linear_backward` for the dispatcher of torch.

They are not differentiable. The autograd function in `linear` calls them, which takes half the time
of a differentiable custom operator. torch.compile sees each as one node.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode
from torch.utils.flop_counter import register_flop_formula

from scionwood.kernels import addmm
from scionwood.kernels.addmm import wide
from scionwood.kernels.dispatch import choose
from scionwood.kernels.reference import Member
from scionwood.kernels.triton_plan import allows_tf32

_FACTORS = "Tensor? gate_bias, Tensor? seed, float scaling, float p"
_FORWARD = f"Tensor x, Tensor weight, Tensor? bias, Tensor a, Tensor b, {_FACTORS}"
_BACKWARD = f"Tensor grad, Tensor? x, Tensor weight, Tensor a, Tensor b, Tensor? z, {_FACTORS}"

_MODULES = {
    "addmm": "scionwood.kernels.addmm",
    "triton": "scionwood.kernels.triton_lora",
}
LIBRARY: Any = torch.library.Library("scionwood", "FRAGMENT")
"""The object that owns the registrations."""

LIBRARY.define(f"lora_linear({_FORWARD}) -> (Tensor, Tensor)")
LIBRARY.define(
    f"lora_linear_backward({_BACKWARD}, bool needs_x) -> (Tensor, Tensor, Tensor, Tensor)"
)


def forward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    a: Tensor,
    b: Tensor,
    gate_bias: Tensor | None,
    *options: Any,
) -> Any:
    """Run the forward operator by a direct call, which is faster than the dispatcher.

    Factors may have another dtype than x. The Triton kernels convert what they read of them.
    """
    module = _module(x, weight, a)
    if module.__name__ != _MODULES["triton"]:
        a, b, gate_bias = (as_dtype(t, x.dtype) for t in (a, b, gate_bias))
    return module.lora_linear(x, weight, bias, a, b, gate_bias, *options)


def backward(
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor,
    a: Tensor,
    b: Tensor,
    z: Tensor | None,
    gate_bias: Tensor | None,
    *options: Any,
) -> Any:
    """Run the backward operator by a direct call; factors may have another dtype than grad."""
    module = _module(grad, weight, a)
    if module.__name__ != _MODULES["triton"]:
        a, b, gate_bias = (as_dtype(t, grad.dtype) for t in (a, b, gate_bias))
    return module.lora_linear_backward(grad, x, weight, a, b, z, gate_bias, *options)


def grouped_forward(x: Tensor, members: Sequence[Member]) -> tuple[list[Tensor], Tensor]:
    """Run layers that read one tensor; see `addmm.lora_linears`."""
    module = _grouped(x, members)
    return module.lora_linears(x, members)  # type: ignore[no-any-return]


def grouped_backward(
    grads: Sequence[Tensor | None],
    x: Tensor | None,
    members: Sequence[Member],
    z: Tensor | None,
    needs_x: bool,
) -> tuple[Tensor | None, Sequence[tuple[Tensor | None, Tensor | None]]]:
    """Return the gradients of x and of the factors; a layer without a gradient has none."""
    positions = [at for at, grad in enumerate(grads) if grad is not None]
    rows = [grad for grad in grads if grad is not None]
    module = _grouped(rows[0], members)
    if z is not None and len(positions) < len(members):
        parts = z.split_with_sizes([len(member.a) for member in members], 1)
        z = torch.cat([parts[at] for at in positions], 1)
    contributing_members = [members[at] for at in positions]
    dx, pairs = module.lora_linears_backward(rows, x, contributing_members, z, needs_x)
    by_position = dict(zip(positions, pairs, strict=True))
    return dx, [by_position.get(at, (None, None)) for at in range(len(members))]


def _grouped(rows: Tensor, members: Sequence[Member]) -> Any:
    """Return the module that runs a group: Triton's if every layer has it, or `addmm`."""
    modules = {_module(rows, member.weight, member.a) for member in members}
    if {module.__name__ for module in modules} == {_MODULES["triton"]}:
        return import_module("scionwood.kernels.triton_grouped")
    return addmm


def as_dtype(tensor: Any, dtype: torch.dtype) -> Any:
    """Convert a tensor; a call of `Tensor.to` costs a microsecond even if nothing changes."""
    return tensor if tensor is None or tensor.dtype is dtype else tensor.to(dtype)


def reshaped(y: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the output of a Function in another shape.

    A block that runs without gradients inside a Function, as a checkpoint does, must not return a
    view: autograd would refuse to change it in place.
    """
    if torch.is_grad_enabled():
        return y.view(shape)
    output: Tensor = torch.ops.aten._unsafe_view.default(y, shape)
    return output


def traced(tensor: Tensor) -> bool:
    """Return whether a compiler or a dispatch mode must see the operator as one node."""
    return (
        torch.compiler.is_compiling()
        or is_in_torch_dispatch_mode()
        or type(tensor) not in (Tensor, nn.Parameter)
    )


def _module(rows: Tensor, weight: Tensor, a: Tensor) -> Any:
    device, dtype = rows.device.type, rows.dtype
    if device != "cuda":  # saves a microsecond
        return addmm
    about = (device, dtype, rows.shape[0], max(weight.shape), a.shape[0])
    choice = choose(*about, rows.get_device(), allows_tf32(dtype))
    return import_module(_MODULES[choice.implementation])  # importing triton takes a second


def _backward(grad: Tensor, *operands: Any) -> Any:
    # A node of a graph returns tensors, and compiled code relies on their strides.
    return tuple(
        grad.new_empty(0, dtype=grad.dtype if at == 0 else wide(grad.dtype))
        if gradient is None
        else gradient.contiguous()
        for at, gradient in enumerate(backward(grad, *operands))
    )


LIBRARY.impl("lora_linear", forward, "CompositeExplicitAutograd")
LIBRARY.impl("lora_linear_backward", _backward, "CompositeExplicitAutograd")


def _forward_shapes(
    x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, *_: Any
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape[0], weight.shape[0]), x.new_empty(x.shape[0], a.shape[0])


def _backward_shapes(
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor,
    a: Tensor,
    b: Tensor,
    z: Tensor | None,
    gate_bias: Tensor | None,
    seed: Tensor | None,
    scaling: float,
    p: float,
    needs_x: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    dx = grad.new_empty((grad.shape[0], weight.shape[1]) if needs_x else 0)
    none = grad.new_empty(0, dtype=wide(grad.dtype))
    da, db = (
        (none, none.clone()) if x is None else (none.new_empty(a.shape), none.new_empty(b.shape))
    )
    return dx, da, db, none.new_empty(0 if x is None or gate_bias is None else b.shape[1])


torch.library.register_fake("scionwood::lora_linear", _forward_shapes, lib=LIBRARY)
torch.library.register_fake("scionwood::lora_linear_backward", _backward_shapes, lib=LIBRARY)


@register_flop_formula(torch.ops.scionwood.lora_linear)
def _(x: Any, weight: Any, bias: Any, a: Any, b: Any, *_: Any, **__: Any) -> int:
    """Count multiplications and additions of the three products; arguments are shapes."""
    (m, k), n, r = x, weight[0], b[1]
    return int(2 * m * (k * n + k * a[0] + r * n))


@register_flop_formula(torch.ops.scionwood.lora_linear_backward)
def _(grad: Any, x: Any, weight: Any, a: Any, b: Any, *_: Any, **__: Any) -> int:
    """Count all products, as if every input needed a gradient."""
    (m, n), k, r = grad, weight[1], b[1]
    return int(2 * m * (k * n + 2 * k * a[0] + 2 * r * n))
