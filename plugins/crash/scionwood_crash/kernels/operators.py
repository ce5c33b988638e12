"""The edge block as one operator, `scionwood_crash::edge_block`, by device.

`TABLE` lists the implementation for each kind of device; torch's dispatcher takes the one of the
tensors' device. The autograd function is outside of the operators, which costs less.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any, final

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from scionwood_crash.kernels.reference import Weights


def _obstacle() -> str:
    """Why Triton cannot serve CUDA here: its first launch builds a small C extension of Python."""
    if find_spec("triton") is None:
        return "triton is not installed"
    if not (os.environ.get("CC") or which("gcc") or which("clang")):
        return "triton needs a C compiler, gcc or clang"
    header = Path(sysconfig.get_config_var("INCLUDEPY"), "Python.h")
    return "" if header.is_file() else f"triton needs Python's headers, {header}"


OBSTACLE = _obstacle()

TABLE = {
    "CompositeExplicitAutograd": "plain",  # the CPU, and every device without a line of its own
    **({} if OBSTACLE else {"CUDA": "triton_edge"}),
}
"""The module that serves a dispatch key."""

_GRAPH = "Tensor source, Tensor target, Tensor edge, Tensor src, Tensor dst, Tensor share"
_WEIGHTS = ", ".join(f"Tensor {name}" for name in ("ws", "wt", "we", "b", "w2", "b2", "g", "h"))


def edge_block(
    source: Tensor,
    target: Tensor,
    edge: Tensor,
    src: Tensor,
    dst: Tensor,
    share: Tensor,
    weights: Weights,
) -> tuple[Tensor, Tensor]:
    """The update of edges and its sums by target, differentiable once; see `reference`.

    Args:
        source: (S, H).
        target: (R, H).
        edge: (E, H).
        src: (E,) int64.
        dst: (E,) int64, which does not fall.
        share: (E,), without gradient.
        weights: of the block.

    Returns:
        The edges (E, H) and the sums (R, H).

    Raises:
        ValueError: widths that differ, or an edge without ends.
    """
    width = edge.shape[1]
    if not source.shape[1] == target.shape[1] == width or not len(src) == len(dst) == len(edge):
        shapes = [tuple(each.shape) for each in (source, target, edge, src, dst)]
        raise ValueError(f"source, target, edge, src and dst {shapes}: give one width, one length")
    found: tuple[Tensor, Tensor] = _EdgeBlock.apply(source, target, edge, src, dst, share, *weights)
    return found


def report(device: torch.device | str = "cpu") -> str:
    """Which implementation updates the edges on a device, and why."""
    kind = torch.device(device).type
    module = TABLE.get(kind.upper(), "plain")
    reason = f" ({OBSTACLE})" if kind == "cuda" and OBSTACLE else ""
    return f"edge_block on {kind}: {module}{reason}"


@final
class _EdgeBlock(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        out, total, *kept = torch.ops.scionwood_crash.edge_block(*tensors)
        ctx.save_for_backward(*tensors, *kept)
        return out, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, grad_total: Tensor) -> tuple[Tensor | None, ...]:
        by_weights = any(ctx.needs_input_grad[6:])
        found = torch.ops.scionwood_crash.edge_block_backward(
            grad, grad_total, *ctx.saved_tensors, by_weights
        )
        all_of = [*found[:3], None, None, None, *found[3:]]
        wanted = zip(all_of, ctx.needs_input_grad, strict=True)
        return tuple(each if needed else None for each, needed in wanted)


def _implementation(module: str, function: str) -> Callable[..., Any]:
    """The function, imported when it is first called: triton takes a second."""

    def call(*args: Any) -> Any:
        return getattr(import_module(f"scionwood_crash.kernels.{module}"), function)(*args)

    return call


def _register() -> torch.library.Library:
    library = torch.library.Library("scionwood_crash", "FRAGMENT")
    six, eleven = (", ".join(["Tensor"] * count) for count in (6, 11))
    library.define(f"edge_block({_GRAPH}, {_WEIGHTS}) -> ({six})")
    kept = "Tensor hidden, Tensor z, Tensor mean, Tensor rstd, bool by_weights"
    given = f"Tensor grad, Tensor grad_total, {_GRAPH}, {_WEIGHTS}, {kept}"
    library.define(f"edge_block_backward({given}) -> ({eleven})")
    for key, module in TABLE.items():
        for function in ("edge_block", "edge_block_backward"):
            library.impl(function, _implementation(module, function), key)
    return library


_LIBRARY = _register()  # the registrations live as long as this object


@torch.library.register_fake("scionwood_crash::edge_block", lib=_LIBRARY)
def _(source: Tensor, target: Tensor, edge: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
    kept = 0 if edge.device.type == "cuda" and "CUDA" in TABLE else len(edge)
    hidden, moment = edge.new_empty(kept, edge.shape[1]), edge.new_empty(kept, 1)
    rest = (hidden, torch.empty_like(hidden), moment, torch.empty_like(moment))
    return torch.empty_like(edge), torch.empty_like(target), *rest


@torch.library.register_fake("scionwood_crash::edge_block_backward", lib=_LIBRARY)
def _(grad: Tensor, grad_total: Tensor, source: Tensor, target: Tensor, *rest: Any) -> Any:
    edge, weights, by_weights = rest[0], rest[4:12], rest[-1]
    found = [torch.empty_like(each) for each in (source, target, edge)]
    if by_weights:
        return (*found, *(torch.empty_like(each) for each in weights))
    return (*found, *(edge.new_empty(0) for _ in weights))
