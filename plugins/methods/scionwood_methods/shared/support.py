"""The kinds of layer that the methods can adapt, and clear refusals of all other kinds."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn as nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from scionwood import AdapterError

CONVOLUTIONS = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
"""The class of a plain convolution by the number of dimensions of its weight."""

SUPPORTED = "only Linear, Conv1d, Conv2d, Conv3d and torch_geometric's Linear can be adapted"

_REMEDIES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (nn.Embedding, "It looks rows up instead of multiplying: use peft's lora"),
    (nn.RNNBase, "Its kernel bypasses any wrapper of its weights: target the layers around it"),
    (
        nn.MultiheadAttention,
        "It bypasses any wrapper of its weights: use a block of Linear layers",
    ),
    (
        (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
        "Its weight maps outputs to inputs: target the convolutions around it",
    ),
)


def is_graph_linear(layer: nn.Module) -> bool:
    """Whether a layer is torch_geometric's Linear; that package is not imported for the check.

    The class is not an `nn.Linear`, but its weight is (out, in) and its forward is the same.
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
    """Return the axis of the features in a layer's input and output, counted from the end."""
    return -1 if is_linear(layer) else 1 - int(layer.weight.dim())


def check_supported(method: str, name: str, layer: Any) -> None:
    """Check that the methods of this plugin can adapt a layer.

    Args:
        method: the name of the method in a recipe, for the error.
        name: the name of the layer in its model.
        layer: the layer that would be wrapped; it has no adapter.

    Raises:
        AdapterError: the layer cannot be adapted; names the layer, the rule and the remedy.
    """
    value = f"{method} on {name} ({type(layer).__name__})"
    if not (is_linear(layer) or is_convolution(layer)):
        raise AdapterError(value, SUPPORTED, _remedy(layer))
    # The output projection of `nn.MultiheadAttention`, which reads its weight and never calls it.
    if isinstance(layer, NonDynamicallyQuantizableLinear):
        raise AdapterError(value, SUPPORTED, _remedy(nn.MultiheadAttention(1, 1)))
    weight = layer.weight
    if is_lazy(weight):
        raise AdapterError(value, "its sizes are not known yet", "Run the model once first")
    if is_parametrized(layer):
        rule = "its weight is computed at each call (a parametrization)"
        raise AdapterError(value, rule, "Use torch.nn.utils.parametrize.remove_parametrizations")
    if not isinstance(weight, torch.Tensor) or not weight.is_floating_point():
        dtype = getattr(weight, "dtype", type(weight))
        rule = f"its weight must be a real floating-point tensor, not {dtype}"
        raise AdapterError(value, rule, "Load the base model without quantisation")


def _remedy(layer: nn.Module) -> str:
    for kinds, remedy in _REMEDIES:
        if isinstance(layer, kinds):
            return remedy
    return "Target layers of these types"
