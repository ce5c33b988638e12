"""Run a layer with a weight that is computed from few parameters, and keep only the parameters.

Autograd would keep the weight for the backward pass, though it can be had again: for one layer of
width 4096 that is 64 MiB. Here the backward pass computes it anew.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor

from scionwood_methods.shared.support import is_linear


class Generated(ABC):
    """A weight as a function of parameters, and the gradient of that function."""

    @abstractmethod
    def build(self, dtype: torch.dtype, *parameters: Tensor) -> Tensor:
        """The weight in a dtype, computed in that of the parameters."""

    @abstractmethod
    def pull(self, gradient: Tensor, *parameters: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the parameters.

        Args:
            gradient: of the weight.
            parameters: as `build` had them; one that needs no gradient gets None.
        """


@final
class Geometry(NamedTuple):
    """How a kernel moves over a volume that is padded already, but for zeros."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


def through(layer: Any, x: Tensor, weight: Generated, *parameters: Tensor) -> Tensor:
    """What a layer would compute with another weight and no bias.

    Args:
        layer: linear, or a convolution.
        x: as the layer takes it, in the dtype of the computation.
        weight: as the layer has it, or with fewer outputs.
        parameters: from which it is computed.

    Returns:
        As the layer's output, in the dtype of x; differentiable any number of times.
    """
    if is_linear(layer):
        y: Tensor = _Through.apply(x, weight, None, *parameters)
        return y
    volume, geometry = _padded(layer, x)
    y = _Through.apply(volume, weight, geometry, *parameters)
    return y if x.dim() == layer.weight.dim() else y.squeeze(0)


def convolve(layer: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve with the geometry and the padding of a layer, in one group.

    Args:
        layer: a convolution.
        x: (batch, in, *size), or (in, *size).
        weight: (any, in, *kernel), of the layer's kernel.
        bias: (any,) or None.
    """
    volume, geometry = _padded(layer, x)
    y = _convolution(volume, weight, bias, geometry._replace(groups=1))
    return y if x.dim() == layer.weight.dim() else y.squeeze(0)


@final
class _Through(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Generated, geometry: Geometry | None, *parameters: Tensor
    ) -> Tensor:
        ctx.save_for_backward(x, *parameters)
        ctx.weight, ctx.geometry = weight, geometry
        with torch.autocast(x.device.type, enabled=False):  # as it will be in the backward pass
            built = weight.build(x.dtype, *parameters)
            if geometry is None:
                return F.linear(x, built)
            return _convolution(x, built, None, geometry)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, *parameters = ctx.saved_tensors
        of_x, of_weight = ctx.needs_input_grad[0], any(ctx.needs_input_grad[3:])
        with torch.autocast(x.device.type, enabled=False):
            built = ctx.weight.build(x.dtype, *parameters)
            dx, dw = _gradients(dy, x, built, ctx.geometry, of_x, of_weight)
            pulled = ctx.weight.pull(dw, *parameters) if of_weight else [None] * len(parameters)
        return dx, None, None, *pulled


def _gradients(
    dy: Tensor, x: Tensor, weight: Tensor, how: Geometry | None, of_x: bool, of_weight: bool
) -> tuple[Tensor | None, Tensor | None]:
    if how is None:
        rows, tall = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
        return dy @ weight if of_x else None, rows.mT @ tall if of_weight else None
    still, mask = [0] * len(how.stride), [of_x, of_weight, False]
    stride, padding, dilation, groups = how
    dx, dw, _ = torch.ops.aten.convolution_backward(
        dy, x, weight, None, stride, padding, dilation, False, still, groups, mask
    )
    return dx, dw


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None, how: Geometry) -> Tensor:
    stride, padding, dilation, groups = how
    still = [0] * len(stride)
    return torch.convolution(x, weight, bias, stride, padding, dilation, False, still, groups)


def _padded(layer: Any, x: Tensor) -> tuple[Tensor, Geometry]:
    """A batch with every padding applied that a convolution itself cannot do."""
    if x.dim() < layer.weight.dim():
        x = x.unsqueeze(0)
    padding = layer.padding
    if layer.padding_mode != "zeros" or isinstance(padding, str):
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        x = F.pad(x, layer._reversed_padding_repeated_twice, mode=mode)
        padding = (0,) * len(layer.stride)
    return x, Geometry(layer.stride, padding, layer.dilation, layer.groups)
