"""Switch the LoRA layers of a peft model to a fused forward, and back.

Only the class of a layer changes. The layer object, its parameters, its state dict and every
operation of peft stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, final

import torch.nn as nn
from peft.tuners.tuners_utils import BaseTunerLayer

from scionwood.adapters.fused_layers import BASE, FUSED, PLAIN, FusedLinear, obstacle, prepared
from scionwood.adapters.grouping import group, siblings, ungroup
from scionwood.adapters.prepared import CALL, RECOMPUTE, WATCH, active, dropout_of
from scionwood.errors import AdapterError
from scionwood.kernels.again import CHOICES, Recompute, watched
from scionwood.kernels.dispatch import choose

MANY_ROWS = 1 << 14
"""The number of tokens that `kernel_report` assumes."""


def enable(model: nn.Module, *, recompute: Recompute = "auto") -> KernelReport:
    """Switch the LoRA layers of a model to a fused forward, in place.

    The state dict and all operations of peft stay: merge, several adapters, disable, set_adapter.
    If the fused operator does not support a layer, the layer runs the forward of peft, and the
    report gives the reason. Call the function again after adding layers.

    Layers that read the same tensor, such as q, k and v, run as one operator where the source of
    their module shows it; the report names them.

    Args:
        model: A `PeftModel`, or any module that contains layers of peft.
        recompute: Whether norms and activations in front of a layer run again in the backward pass.
            `memory` runs them again, and keeps almost nothing. `speed` keeps the input of each
            layer. `auto` keeps inputs of at most 256 KiB. Results are the same bit for bit.

    Returns:
        The report of `kernel_report`.

    Raises:
        AdapterError: `recompute` is another word. It is a ValueError.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> from scionwood import kernels
        >>> x = torch.ones(1, 8)
        >>> before = tuned(x)
        >>> report = kernels.enable(tuned)
        >>> torch.allclose(tuned(x), before, atol=1e-6)
        True
    """
    if recompute not in CHOICES:
        rule = f"recompute is one of {', '.join(CHOICES)}"
        raise AdapterError(f"recompute {recompute!r}", rule, "Use `auto` if in doubt")
    _swap(model, FUSED)
    group(model, FusedLinear, prepared)
    watch = watched(model.modules())
    for _, layer in _layers(model):
        vars(layer).update({RECOMPUTE: recompute, WATCH: watch, CALL: None})
    return kernel_report(model)


def disable(model: nn.Module) -> None:
    """Switch all layers back to the forward of peft.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> from scionwood import kernels
        >>> report = kernels.enable(tuned)
        >>> kernels.disable(tuned)
        >>> print(kernels.kernel_report(tuned))
        base_model.model.0  peft  kernels are off: kernels.enable(model)
    """
    _swap(model, PLAIN)
    ungroup(model)
    for _, layer in _layers(model):
        for name in (RECOMPUTE, WATCH, CALL):
            vars(layer).pop(name, None)


@contextmanager
def fused_classes(model: nn.Module) -> Iterator[None]:
    """Use the fused classes inside the block; they can merge kernels that those of peft cannot."""
    changed = _swap(model, FUSED)
    try:
        yield
    finally:
        for layer in changed:
            layer.__class__ = PLAIN[type(layer)]


def kernel_report(model: nn.Module) -> KernelReport:
    """Report which implementation runs in each adapter layer for a training step, and why.

    The report assumes a step of many tokens.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> print(authoring.kernel_report(tuned))
        base_model.model.0  peft  kernels are off: kernels.enable(model)
    """
    names = {id(layer): name for name, layer in _layers(model)}
    return KernelReport(_row(name, layer, names) for name, layer in _layers(model))


def _row(name: str, layer: Any, names: dict[int, str]) -> Row:
    implementation, why = _status(layer)
    shared = siblings(layer)
    if implementation == "peft" or shared is None or shared.off or dropout_of(layer):
        return Row(name, implementation, why)
    others = [
        names.get(id(sibling), "").rsplit(".")[-1]
        for sibling in shared.layers
        if sibling is not layer
    ]
    return Row(name, implementation, f"{why}; one operator with {', '.join(others)}")


def _status(layer: Any) -> tuple[str, str]:
    if type(layer) in FUSED:
        return "peft", "kernels are off: kernels.enable(model)"
    if type(layer) not in PLAIN:
        return "peft", f"no fused form for {type(layer).__name__}"
    if layer.disable_adapters or layer.merged:
        return "peft", "adapters are merged or disabled: the base layer alone runs"
    if not active(layer):
        return "peft", "no active adapter is here: the base layer alone runs"
    if reason := obstacle(layer):
        return "peft", reason
    if type(layer) not in BASE:
        return "weight-space", "one convolution forward, low rank backward"
    weight = layer.base_layer.weight
    rank = sum(layer.r[name] for name in active(layer))
    width = max(layer.out_features, layer.in_features)
    return choose(weight.device.type, weight.dtype, MANY_ROWS, width, rank)


def _swap(model: nn.Module, classes: dict[Any, Any]) -> list[Any]:
    changed = [layer for _, layer in _layers(model) if type(layer) in classes]
    for layer in changed:
        layer.__class__ = classes[type(layer)]
    return changed


def _layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    return ((n, m) for n, m in model.named_modules() if isinstance(m, BaseTunerLayer))


@final
class Row(NamedTuple):
    """The implementation that runs in one adapter layer."""

    layer: str
    implementation: str
    """`addmm`, `triton`, `weight-space`, or `peft` for the forward of peft."""
    why: str


@final
class KernelReport(tuple[Row, ...]):
    """One row for each adapter layer of a model; `print` shows a table."""

    def __str__(self) -> str:
        if not self:
            return "no adapter layers"
        wide = [max(len(row[i]) for row in self) for i in (0, 1)]
        return "\n".join(f"{r[0]:{wide[0]}}  {r[1]:{wide[1]}}  {r[2]}" for r in self)
