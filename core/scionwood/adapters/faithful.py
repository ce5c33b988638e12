"""Check that a merged layer computes what the adapted layer computed.

A subclass of a torch layer may change its weight in `forward`: weight standardisation divides by
the spread of the weight, so that a change of the weight is not a change of the output. Adding an
adapter to such a weight would silently give another model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn as nn
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3}
"""The largest difference relative to the largest output; 0.05 for the other dtypes."""


@contextmanager
def same_outputs(layers: Mapping[str, BaseTunerLayer]) -> Iterator[None]:
    """Compare layers that have a `forward` of their own before and after the block.

    Args:
        layers: The layers with adapters by name; the block merges them.

    Raises:
        ValueError: The output of a layer has changed. The message names the layer and its class.
    """
    before = {name: _output(layer) for name, layer in layers.items() if _own_forward(layer)}
    yield
    for name, expected in before.items():
        error = (_output(layers[name]) - expected).abs().max()
        bound = TOLERANCE.get(expected.dtype, 0.05) * expected.abs().max()
        if not error <= bound:
            kind = type(layers[name].get_base_layer()).__name__
            raise ValueError(f"{name}: {kind} changes its weight before it uses it")


def _own_forward(layer: BaseTunerLayer) -> bool:
    base: Any = layer.get_base_layer()
    if not isinstance(base, nn.Linear | nn.modules.conv._ConvNd):
        return False
    weight = base.weight
    plain = type(weight) in (nn.Parameter, Tensor) and weight.is_floating_point()
    inherited = type(base).forward.__module__.startswith("torch.nn.")
    return plain and weight.device.type != "meta" and not inherited


@torch.no_grad()
def _output(layer: BaseTunerLayer) -> Tensor:
    """Run a layer on one random input, without dropout."""
    base: Any = layer.get_base_layer()
    modes = [(part, part.training) for part in layer.modules()]
    generator = torch.Generator().manual_seed(0)
    shape = (2, base.in_features) if isinstance(base, nn.Linear) else _field(base)
    x = torch.randn(shape, generator=generator).to(base.weight)
    try:
        layer.eval()
        output: Tensor = layer(x)
    finally:
        for part, training in modes:
            part.training = training
    return output


def _field(conv: Any) -> tuple[int, ...]:
    sizes = zip(conv.kernel_size, conv.dilation, conv.stride, strict=True)
    return (2, conv.in_channels, *(d * (k - 1) + s + 1 for k, d, s in sizes))
