"""Which weights of a layer an adapter changes, by its class or by what it declares."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch.nn as nn
from torch.nn.parameter import UninitializedParameter

from scionwood.adapters.layers.matrices import Weight
from scionwood.errors import AdapterError

PROTOCOL = "adapter_weights"
"""The attribute with which a module of any library names its own weights, see `form_of`."""

EXPERTS = ("gate_up_proj", "gate_proj", "up_proj", "down_proj")
"""The names that transformers gives to the stacked weights of the experts of a mixture."""


LINEAR = "timm.layers.conv2d_same.Conv2dSame"
"""A convolution with a forward of its own that pads its input and leaves its weight alone."""


@dataclass(frozen=True)
class Form:
    """The weights of a layer that are adapted.

    Attributes:
        weights: The weights.
        linear: Whether the output is linear in these weights, apart from the biases. The change can
            then run as a layer of its own, which dropout and half precision need.
        dora: Whether the rows are output channels, whose norms DoRA trains.
        ia3: Whether each row is an output channel with a bias of its own, which IA3 scales.
    """

    weights: tuple[Weight, ...]
    linear: bool = False
    dora: bool = True
    ia3: bool = True


def form_of(module: nn.Module) -> Form | None:
    """Return the form of a layer, or `None` if it has none.

    A module of any library names its weights in the attribute `adapter_weights`, a mapping of
    parameter names to axes, for example `{"weight": "io*"}`.

    Raises:
        AdapterError: The layer is known, and this instance cannot be adapted.

    Example:
        >>> from scionwood.adapters.layers.forms import form_of
        >>> form_of(torch.nn.ConvTranspose2d(4, 8, 3)).weights[0].axes
        'io*'
    """
    form = _declared(module)
    makers = [TABLE[name] for name in class_names(module) if name in TABLE]
    if form is None and makers:
        form = makers[0](module)
    form = form or _experts(module) or _spectral(module)
    for weight in form.weights if form else ():
        _check(module, weight)
    return form


def class_names(module: nn.Module) -> list[str]:
    """Return the qualified names of the class of a module and of its bases."""
    return [f"{cls.__module__}.{cls.__qualname__}" for cls in type(module).__mro__]


def _check(module: nn.Module, weight: Weight) -> None:
    value, name = weight.of(module), type(module).__name__
    if not (value.is_floating_point() or value.is_complex()) or value.dtype.itemsize < 2:
        raise AdapterError(
            f"{weight.name} of {name}",
            f"its dtype is {value.dtype}, which a low-rank change cannot be added to",
            "Load the weights in a floating-point dtype of 16 bits or more",
        )


def _declared(module: nn.Module) -> Form | None:
    declared: Mapping[str, str] | None = getattr(type(module), PROTOCOL, None)
    if not declared:
        return None
    return Form(tuple(Weight(name, axes) for name, axes in declared.items()))


def _linear(axes: str) -> Callable[[Any], Form]:
    return lambda module: Form((Weight("weight", axes, _present(module, "bias")),), linear=True)


def _present(module: Any, bias: str) -> str | None:
    """Return the name of a bias, or `None` if the module does without it."""
    return None if getattr(module, bias, None) is None else bias


def _convolution(module: Any) -> Form:
    weight, linear = Weight("weight", "oi*", _present(module, "bias")), own_forward(module)
    return Form((weight,), linear=linear, dora=linear, ia3=linear)


def own_forward(module: nn.Module) -> bool:
    """Return whether a convolution is linear in its weight: its forward is that of torch.

    Subclasses may change the weight first, such as the weight-standardised ones of timm.
    """
    return LINEAR in class_names(module) or type(module).forward is torch_class(module).forward


def torch_class(conv: nn.Module) -> Any:
    """Return the class of torch that a convolution is, or is derived from."""
    return next(cls for cls in type(conv).__mro__ if cls.__module__ == nn.Conv2d.__module__)


def _transposed(module: Any) -> Form:
    # With groups, each input channel has its own row, as for the depthwise layers of a U-Net.
    plain = module.groups == 1
    weight = Weight("weight", "io*" if plain else "oi*", _present(module, "bias"))
    return Form((weight,), linear=True, dora=plain, ia3=plain)


def _attention(module: Any) -> Form:
    bias = "out_proj.bias" if module.out_proj.bias is not None else None
    out = Weight("out_proj.weight", "oi", bias)
    if module._qkv_same_embed_dim:
        return Form((Weight("in_proj_weight", "oi", _present(module, "in_proj_bias")), out))
    three = (Weight(f"{letter}_proj_weight", "oi") for letter in "qkv")
    # One bias serves the three weights, so that it cannot be scaled with one of them.
    return Form((*three, out), ia3=module.in_proj_bias is None)


def _relational(module: Any) -> Form:
    if module.weight.dim() != 3:
        raise AdapterError(
            f"{type(module).__name__} with num_blocks",
            "its weight is block-diagonal, and has no low-rank form here",
            "Target other layers",
        )
    root = [Weight("root", "io")] if module.root is not None else []
    return Form((Weight("weight", "bio"), *root))


def _paths(module: Any) -> Form:
    """Return a matrix (inputs, outputs) for each path of `e3nn.o3.Linear`, in one flat weight.

    A path mixes the copies of one representation, so that an adapted layer stays equivariant.
    """
    stored = module._parameters.get("weight")
    if stored is None or stored.dim() != 1:
        raise AdapterError(
            f"{type(module).__name__} without a weight of its own, or with one for each channel",
            "it has no matrices that a low-rank change could be added to",
            "Target other layers",
        )
    weights, start = [], 0
    for path in module.instructions:
        if path.i_in >= 0 and math.prod(path.path_shape):  # neither a bias nor empty
            weights.append(Weight("weight", "io", part=(start, tuple(path.path_shape))))
            start += math.prod(path.path_shape)
    plain = module.bias_numel == 0  # a bias belongs to several paths
    return Form(tuple(weights), linear=True, dora=plain, ia3=plain)


def _neuralop(module: Any) -> Form:
    tensor = module.weight
    name = next((n for n in ("tensor", "core") if n in getattr(tensor, "_parameters", {})), None)
    if name is None:
        raise AdapterError(
            f"{type(module).__name__} with a weight of type {type(tensor).__name__}",
            "this factorisation has no matrix that a low-rank change could be added to",
            "Use factorization=None or 'tucker', or target other layers",
        )
    is_dense = name == "tensor"
    bias = _present(module, "bias") if is_dense else None
    axes = "o*" if module.separable else "io*"
    return Form((Weight(f"weight.{name}", axes, bias),), linear=True, dora=is_dense, ia3=is_dense)


def _experts(module: nn.Module) -> Form | None:
    """Recognise the experts of a mixture: stacked weights (experts, out, in) as in transformers."""
    parameters = module._parameters
    names = [n for n in EXPERTS if (value := parameters.get(n)) is not None and value.dim() == 3]
    if len(names) < 2:
        return None
    axes = "bio" if getattr(module, "is_transposed", False) else "boi"
    biases = [n if (n := f"{name}_bias") in parameters else None for name in names]
    return Form(tuple(Weight(n, axes, bias) for n, bias in zip(names, biases, strict=True)))


def _spectral(module: nn.Module) -> Form | None:
    """Recognise Fourier layers by their complex weights (in_channels, out_channels, modes...)."""
    channels = (getattr(module, "in_channels", None), getattr(module, "out_channels", None))
    names = [
        name
        for name, value in module._parameters.items()
        if value is not None
        and not isinstance(value, UninitializedParameter)
        and value.is_complex()
        and value.dim() > 2
        and value.shape[:2] == channels
    ]
    return Form(tuple(Weight(name, "io*") for name in names)) if names else None


TABLE: dict[str, Callable[[Any], Form]] = {
    "e3nn.o3._linear.Linear": _paths,
    "e3nn.nn._fc._Layer": lambda _: Form((Weight("weight", "io"),)),
    "torch.nn.modules.conv.Conv1d": _convolution,
    "torch.nn.modules.conv.Conv2d": _convolution,
    "torch.nn.modules.conv.Conv3d": _convolution,
    "torch.nn.modules.conv.ConvTranspose1d": _transposed,
    "torch.nn.modules.conv.ConvTranspose2d": _transposed,
    "torch.nn.modules.conv.ConvTranspose3d": _transposed,
    "torch.nn.modules.activation.MultiheadAttention": _attention,
    "torch_geometric.nn.dense.linear.Linear": _linear("oi"),
    "torch_geometric.nn.dense.linear.HeteroLinear": _linear("bio"),
    "torch_geometric.nn.conv.rgcn_conv.RGCNConv": _relational,
    "neuralop.layers.spectral_convolution.SpectralConv": _neuralop,
    "neuralop.layers.spherical_convolution.SphericalConv": _neuralop,
}
"""Forms by the qualified name of a class: no library is imported to recognise its layers."""
