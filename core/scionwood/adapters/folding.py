"""Fold the update of a LoRA layer into its weight, for operators that take weights."""

from __future__ import annotations

from typing import Any

from peft.tuners.lora import layer as lora
from torch import Tensor, nn

from scionwood.adapters.fused_layers import FusedLinear
from scionwood.adapters.lora_parts import active, dropout_in, factors, idle, parts_obstacle
from scionwood.kernels.interception import global_hooks, hooked, interception


def folded(layer: nn.Module) -> tuple[Tensor, Tensor | None] | None:
    """Return the weight and the bias that a linear layer has with its low-rank update.

    An operator that computes several layers at once takes these, and needs no adapter layer of its
    own. The result is differentiable by the factors.

    Args:
        layer: an `nn.Linear`, or the layer of LoRA around one.

    Returns:
        W + scaling B A of shape (out, in), and the bias (out,) or `None`. `None` alone if the layer
        must be called itself: it is of another kind, or has a hook, dropout, or a variant such as
        DoRA.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> from scionwood import kernels
        >>> layer = tuned.get_submodule("base_model.model.0")
        >>> weight, bias = kernels.folded(layer)
        >>> x = torch.ones(1, 8)
        >>> torch.allclose(layer(x), torch.nn.functional.linear(x, weight, bias))
        True
    """
    if global_hooks() or hooked(layer) or "forward" in vars(layer):
        return None
    if type(layer) is nn.Linear:
        return None if interception(layer) else (layer.weight, layer.bias)
    if type(layer) not in (lora.Linear, FusedLinear):
        return None
    wrapped: Any = layer
    base = wrapped.base_layer
    if type(base) is not nn.Linear or interception(base):
        return None
    if idle(wrapped):
        return base.weight, base.bias
    for name in active(wrapped):
        variant = name in wrapped.lora_variant or dropout_in(wrapped, name) > 0
        if variant or parts_obstacle(wrapped, name):
            return None
    down, up, bias, scaling = factors(wrapped)
    return base.weight + scaling * (up @ down), bias
