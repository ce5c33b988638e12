"""The edge block as one operator, `scionwood_crash::edge_block`, with one implementation a device.

`TABLE` lists the implementation for each kind of device. The dispatcher of torch chooses by the
device of the tensors. The autograd function is outside the operators, which costs less.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, final

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from scionwood.authoring import obstacle
from scionwood_crash.kernels.reference import Weights

OBSTACLE = obstacle()

TABLE = {
    "CompositeExplicitAutograd": "plain",  # the CPU, and every device that has no entry of its own
    **({} if OBSTACLE else {"CUDA": "triton_edge"}),
}
"""The module that implements the operator, by dispatch key."""

_GRAPH = "Tensor source, Tensor target, Tensor edge, Tensor src, Tensor dst, Tensor share"
_WEIGHTS = ", ".join(f"Tensor {name}" for name in ("ws", "wt", "we", "b", "w2", "b2", "g", "h"))
_TORCH: Any = torch.library  # its functions have no types


def edge_block(
    source: Tensor,
    target: Tensor,
    edge: Tensor,
    src: Tensor,
    dst: Tensor,
    share: Tensor,
    weights: Weights,
) -> tuple[Tensor, Tensor]:
    """Update edges and sum them by target; `reference.edge_block` is the definition.

    The result can be differentiated once.

    Args:
        source: (S, H), states of the source nodes.
        target: (R, H), states of the target nodes.
        edge: (E, H), states of the edges.
        src: (E,) int64, the source of each edge.
        dst: (E,) int64, the target of each edge, in non-decreasing order.
        share: (E,), the weight of each edge in the sum; it gets no gradient.
        weights: parameters of the block.

    Returns:
        The updated edges (E, H) and the sums (R, H).

    Raises:
        ValueError: the widths differ, or `src`, `dst` and `edge` differ in length.
    """
    width = edge.shape[1]
    if not source.shape[1] == target.shape[1] == width or not len(src) == len(dst) == len(edge):
        shapes = [tuple(tensor.shape) for tensor in (source, target, edge, src, dst)]
        raise ValueError(f"source, target, edge, src and dst {shapes}: give one width, one length")
    result: tuple[Tensor, Tensor] = _EdgeBlock.apply(  # type: ignore[no-untyped-call, unused-ignore]
        source, target, edge, src, dst, share, *weights
    )
    return result


def report(device: torch.device | str = "cpu") -> str:
    """Return which implementation updates the edges on a device, and why."""
    device = torch.device(device)
    if device.type == "cuda" and (reason := _unfit(device)):
        return f"edge_block on cuda: plain ({reason})"
    return f"edge_block on {device.type}: {TABLE.get(device.type.upper(), 'plain')}"


@lru_cache(maxsize=64)
def _unfit(device: torch.device) -> str:
    """Return why the Triton kernels cannot run on a CUDA device; an old card is a reason."""
    return obstacle(device)


@final
class _EdgeBlock(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        out, total, *saved = torch.ops.scionwood_crash.edge_block(*tensors)
        ctx.save_for_backward(*tensors, *saved)
        return out, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, grad_total: Tensor) -> tuple[Tensor | None, ...]:
        by_weights = any(ctx.needs_input_grad[6:])
        gradients = torch.ops.scionwood_crash.edge_block_backward(
            grad, grad_total, *ctx.saved_tensors, by_weights
        )
        all_gradients = [*gradients[:3], None, None, None, *gradients[3:]]
        pairs = zip(all_gradients, ctx.needs_input_grad, strict=True)
        return tuple(gradient if needed else None for gradient, needed in pairs)


def _implementation(module: str, function: str) -> Callable[..., Any]:
    """Return a function that imports its module on the first call: triton takes a second.

    Plain torch runs on a card that cannot run the kernels.
    """

    def call(*args: Any) -> Any:
        name = "plain" if module == TABLE.get("CUDA") and _unfit(args[0].device) else module
        return getattr(import_module(f"scionwood_crash.kernels.{name}"), function)(*args)

    return call


def _register() -> Any:
    library = _TORCH.Library("scionwood_crash", "FRAGMENT")
    six, eleven = (", ".join(["Tensor"] * count) for count in (6, 11))
    library.define(f"edge_block({_GRAPH}, {_WEIGHTS}) -> ({six})")
    saved_arguments = "Tensor hidden, Tensor z, Tensor mean, Tensor rstd, bool by_weights"
    arguments = f"Tensor grad, Tensor grad_total, {_GRAPH}, {_WEIGHTS}, {saved_arguments}"
    library.define(f"edge_block_backward({arguments}) -> ({eleven})")
    for key, module in TABLE.items():
        for function in ("edge_block", "edge_block_backward"):
            library.impl(function, _implementation(module, function), key)
    _TORCH.register_fake("scionwood_crash::edge_block", _fake_forward, lib=library)
    _TORCH.register_fake("scionwood_crash::edge_block_backward", _fake_backward, lib=library)
    return library


def _fake_forward(source: Tensor, target: Tensor, edge: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
    saved_rows = 0 if edge.device.type == "cuda" and not _unfit(edge.device) else len(edge)
    hidden, moment = edge.new_empty(saved_rows, edge.shape[1]), edge.new_empty(saved_rows, 1)
    intermediates = (hidden, torch.empty_like(hidden), moment, torch.empty_like(moment))
    return torch.empty_like(edge), torch.empty_like(target), *intermediates


def _fake_backward(
    grad: Tensor, grad_total: Tensor, source: Tensor, target: Tensor, *arguments: Any
) -> tuple[Tensor, ...]:
    edge, weights, by_weights = arguments[0], arguments[4:12], arguments[-1]
    gradients = [torch.empty_like(tensor) for tensor in (source, target, edge)]
    if by_weights:
        return (*gradients, *(torch.empty_like(tensor) for tensor in weights))
    return (*gradients, *(edge.new_empty(0) for _ in weights))


_LIBRARY = _register()  # the registrations last as long as this object
