"""Trace a model into a graph of plain torch operators."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from scionwood.training.deployed import Deployed, ExportError, Signal

PLAIN = {"aten", "prim", "prims", "higher_order", "_operator"}
"""The namespaces of operators that every installation of torch has."""


def trace(deployed: Deployed) -> ExportedProgram:
    """Trace a model without adapters and fused kernels.

    Args:
        deployed: the model; its example sets the lengths of all axes that are not dynamic.

    Raises:
        ExportError: torch cannot trace it, an axis is not as free as it claims, or an operator is
            not one of torch.
    """
    shapes = _dynamic_shapes(deployed.inputs, deployed.dynamic, len(deployed.example))
    try:
        with torch.no_grad(), quiet():
            program = torch.export.export(
                deployed.module.eval(), deployed.example, dynamic_shapes=shapes
            )
    except Exception as error:  # torch.export raises nearly anything
        rule = f"torch.export cannot trace it ({first_line(error)})"
        raise ExportError(_name(deployed.module), rule, "Override deploy() of the task") from error
    if foreign := sorted(_foreign(program.graph_module)):
        rule = f"its graph calls {', '.join(foreign)}, which other programs do not have"
        remedy = "Use plain torch while torch.compiler.is_compiling() is true"
        raise ExportError(_name(deployed.module), rule, remedy)
    return program


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what torch and onnxscript say about their own internals."""
    with warnings.catch_warnings():
        for kind in (UserWarning, FutureWarning, DeprecationWarning):
            warnings.simplefilter("ignore", kind)
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, at most 200 characters."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]


def _dynamic_shapes(
    inputs: Sequence[Signal], dynamic: Sequence[str], count: int
) -> tuple[dict[int, Any], ...] | None:
    if not inputs or not dynamic:
        return None
    if len(inputs) != count:
        raise ExportError("deployed model", f"it has {count} inputs", "Describe each of them")
    dims = {name: Dim(name) for name in dynamic}
    return tuple(
        {at: dims[axis] for at, axis in enumerate(signal.axes) if axis in dims} for signal in inputs
    )


def _foreign(graph: torch.fx.GraphModule) -> set[str]:
    foreign: set[str] = set()
    for module in graph.modules():
        if not isinstance(module, torch.fx.GraphModule):
            continue
        for node in module.graph.nodes:
            target: Any = node.target
            if isinstance(target, torch._ops.OpOverload) and target.namespace not in PLAIN:
                foreign.add(f"{target.namespace}::{target._opname}")
    return foreign


def _name(module: nn.Module) -> str:
    return f"model {type(module).__name__}"


def stable_sorts(program: ExportedProgram) -> ExportedProgram:
    """Write medians and stable sorts as the plain sort, which is all that ONNX has.

    The sort of ONNX (`TopK`) keeps the order of equal values, and is therefore stable.
    """
    aten: Any = torch.ops.aten
    table = {
        aten.median.dim: _median,
        aten.sort.stable: _sort,
        aten.argsort.stable: _argsort,
    }
    sorting: ExportedProgram = program.run_decompositions(table)
    return sorting


def _sort(
    x: Tensor, *, stable: bool | None, dim: int = -1, descending: bool = False
) -> tuple[Tensor, Tensor]:
    aten: Any = torch.ops.aten
    result: tuple[Tensor, Tensor] = aten.sort.default(x, dim, descending)
    return result


def _argsort(x: Tensor, *, stable: bool, dim: int = -1, descending: bool = False) -> Tensor:
    return _sort(x, stable=stable, dim=dim, descending=descending)[1]


def _median(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    # The lower one of two middle values, as torch defines the median.
    values, places = _sort(x, stable=None, dim=dim)
    middle = (x.shape[dim] - 1) // 2
    chosen = values.narrow(dim, middle, 1), places.narrow(dim, middle, 1)
    return chosen if keepdim else (chosen[0].squeeze(dim), chosen[1].squeeze(dim))
