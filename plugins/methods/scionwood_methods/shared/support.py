"""The kinds of layer that the methods adapt, and a refusal of every other that says what to do."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn as nn
from peft.tuners.tuners_utils import BaseTunerLayer
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from scionwood import AdapterError

CONVOLUTIONS = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
"""The plain convolution by the number of dimensions of its weight."""

SUPPORTED = "Linear, Conv1d, Conv2d, Conv3d and torch_geometric's Linear are adapted"

_REMEDIES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (
        BaseTunerLayer,
        "It has an adapter of another method: unload that, or target others",
    ),
    (nn.Embedding, "Rows are looked up there, not multiplied: use peft's lora"),
    (nn.RNNBase, "Its kernel reads the weights past any wrapper: target the layers around it"),
    (
        nn.MultiheadAttention,
        "It reads its weights past any wrapper: use a block of Linear layers",
    ),
    (
        (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
        "Its weight maps outputs to inputs: target the convolutions around it",
    ),
)


def is_graph_linear(layer: nn.Module) -> bool:
    """Whether it is torch_geometric's Linear, which is found by name so that nothing is imported.

    That class is no `nn.Linear`, though its weight is (out, in) and its forward the same.
    """
    return any(
        cls.__name__ == "Linear" and cls.__module__ == "torch_geometric.nn.dense.linear"
        for cls in type(layer).__mro__
    )


def is_linear(layer: nn.Module) -> bool:
    """Whether a layer multiplies the last axis by a weight (out, in)."""
    return isinstance(layer, nn.Linear) or is_graph_linear(layer)


def is_convolution(layer: nn.Module) -> bool:
    """Whether a layer convolves with a weight (out, in / groups, *kernel)."""
    return isinstance(layer, tuple(CONVOLUTIONS.values()))


def channel_axis(layer: Any) -> int:
    """The axis of a layer's input and output that holds features, counted from the end."""
    return -1 if is_linear(layer) else 1 - int(layer.weight.dim())


def check_supported(method: str, name: str, layer: Any) -> None:
    """Refuse a layer that no method of this plugin can adapt.

    Args:
        method: the name in a recipe, for the error.
        name: the layer's name in its model.
        layer: what should be wrapped.

    Raises:
        AdapterError: naming the layer, the rule and the remedy.
    """
    found = f"{method} on {name} ({type(layer).__name__})"
    if isinstance(layer, BaseTunerLayer) or not (is_linear(layer) or is_convolution(layer)):
        raise AdapterError(found, SUPPORTED, _remedy(layer))
    if isinstance(layer, NonDynamicallyQuantizableLinear):
        raise AdapterError(found, SUPPORTED, _remedy(nn.MultiheadAttention(1, 1)))
    weight = layer.weight
    if is_lazy(weight):
        raise AdapterError(found, "its sizes are not known yet", "Run the model once before")
    if is_parametrized(layer):
        rule = "its weight is computed anew at each call (a parametrization)"
        raise AdapterError(found, rule, "Use torch.nn.utils.parametrize.remove_parametrizations")
    if not isinstance(weight, torch.Tensor) or not weight.is_floating_point():
        rule = f"its weight must be real and floating, not {getattr(weight, 'dtype', type(weight))}"
        raise AdapterError(found, rule, "Load the base without quantisation")


def _remedy(layer: nn.Module) -> str:
    for kinds, remedy in _REMEDIES:
        if isinstance(layer, kinds):
            return remedy
    return "Target layers of these types"
