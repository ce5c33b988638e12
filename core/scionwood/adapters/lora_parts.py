"""Read the state of a LoRA layer of peft: its active adapters, factors, dropout and hooks."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from scionwood.kernels.again import Recompute
from scionwood.kernels.interception import interception

RECOMPUTE = "_scionwood_recompute"
"""The attribute of a layer that says whether its input is computed again."""
WATCH = "_scionwood_watch"
"""The attribute of a layer that has the hooks of the modules in front; see `again.source_of`."""
SIBLINGS = "_scionwood_siblings"
"""The attribute of a layer that has its group; see `grouping`."""
PARTS = ("lora_A", "lora_B", "lora_dropout")
"""What a layer has for each adapter."""


def idle(layer: Any) -> bool:
    """Return whether the base layer alone runs."""
    return layer.disable_adapters or layer.merged or not active(layer)


def active(layer: Any) -> list[str]:
    """Return the names of the active adapters that a layer has."""
    present = layer._modules["lora_A"]._modules
    return [name for name in layer.active_adapters if name in present]


def dropout_of(layer: Any) -> float:
    """Return the dropout of the first active adapter."""
    return dropout_in(layer, active(layer)[0])


def dropout_in(layer: Any, name: str) -> float:
    """Return the share of the inputs that the dropout of an adapter zeroes now."""
    module = layer._modules["lora_dropout"]._modules[name]
    return module.p if type(module) is nn.Dropout and module.training else 0.0


def parts_obstacle(layer: Any, name: str) -> str:
    """Return why A, B or the dropout of an adapter must be called, or an empty string."""
    parts = layer._modules
    for part in PARTS:
        if reason := interception(parts[part]._modules[name]):
            return f"{part}: {reason}"
    return ""


def factors(
    layer: Any, names: list[str] | None = None
) -> tuple[Tensor, Tensor, Tensor | None, float]:
    """Return A, B, bias and scaling of the active adapters.

    Several adapters are combined into one whose rank is the sum of their ranks.

    Args:
        layer: A LoRA layer of peft.
        names: What `active` returns for it, if known.
    """
    names = names or active(layer)
    down, up = layer._modules["lora_A"]._modules, layer._modules["lora_B"]._modules
    bias, scaling = layer._modules["base_layer"].bias, layer.scaling
    for name in names:
        if (extra := up[name].bias) is not None:
            extra = extra * scaling[name]
            bias = extra if bias is None else bias + extra
    if len(names) == 1:
        return down[names[0]].weight, up[names[0]].weight, bias, scaling[names[0]]
    a = torch.cat([down[name].weight for name in names])
    return a, torch.cat([up[name].weight * scaling[name] for name in names], 1), bias, 1.0


def recompute_of(layer: Any) -> Recompute:
    """Return whether the input of a layer without a prepared call is computed again."""
    if any(layer.__dict__.get(WATCH, ())) or layer._forward_hooks or layer._forward_pre_hooks:
        return "speed"
    recompute: Recompute = layer.__dict__.get(RECOMPUTE, "auto")
    return recompute
