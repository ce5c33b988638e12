"""Run a layer with a weight that is computed from a few parameters, and store only these.

Autograd would store the computed weight for the backward pass: 64 MiB for one layer of width 4096.
Here the backward pass computes the weight again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor

from scionwood_methods.shared.support import is_linear


class Generated(ABC):
    """A weight as a function of parameters, with the gradient of that function."""

    @abstractmethod
    def build(self, dtype: torch.dtype, *parameters: Tensor) -> Tensor:
        """Return the weight in a dtype; it is computed in the dtype of the parameters."""

    @abstractmethod
    def pull(self, gradient: Tensor, *parameters: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the parameters.

        Args:
            gradient: the gradient of the weight.
            parameters: the parameters that `build` received; `None` is returned for one that
                needs no gradient.
        """


@final
class Geometry(NamedTuple):
    """How a kernel moves over a volume; all padding except zero padding is already applied."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


def through(layer: Any, x: Tensor, weight: Generated, *parameters: Tensor) -> Tensor:
    """Return the output of a layer with another weight and without a bias.

    Args:
        layer: a linear layer or a convolution.
        x: the input of the layer, in the dtype of the computation.
        weight: a weight of the layer's shape, or with fewer outputs.
        parameters: the parameters from which the weight is computed.

    Returns:
        A tensor shaped like the layer's output, in the dtype of x. It can be differentiated any
        number of times.
    """
    if is_linear(layer):
        y: Tensor = _Through.apply(x, weight, None, *parameters)  # type: ignore[no-untyped-call, unused-ignore]
        return y
    volume, geometry = _padded(layer, x)
    y = _Through.apply(volume, weight, geometry, *parameters)  # type: ignore[no-untyped-call, unused-ignore]
    return y if x.dim() == layer.weight.dim() else y.squeeze(0)


def convolve(layer: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve with the geometry and the padding of a layer, in one group.

    Args:
        layer: a convolution.
        x: (batch, in, *size) or (in, *size).
        weight: (out, in, *kernel) with any `out`; the kernel has the size of the layer's.
        bias: (out,) or None.
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
        with torch.autocast(x.device.type, enabled=False):  # as in the backward pass
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
        # y = x W^T: dx = dy W, and dW = dy^T x summed over all positions.
        rows, tall = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
        return dy @ weight if of_x else None, rows.mT @ tall if of_weight else None
    output_padding, mask = [0] * len(how.stride), [of_x, of_weight, False]
    stride, padding, dilation, groups = how
    # `autograd.grad` would need the forward pass again; this call is what it would run.
    dx, dw, _ = torch.ops.aten.convolution_backward(
        dy, x, weight, None, stride, padding, dilation, False, output_padding, groups, mask
    )
    return dx, dw


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None, how: Geometry) -> Tensor:
    stride, padding, dilation, groups = how
    output_padding = [0] * len(stride)
    return torch.convolution(
        x, weight, bias, stride, padding, dilation, False, output_padding, groups
    )


def _padded(layer: Any, x: Tensor) -> tuple[Tensor, Geometry]:
    """Return a batch to which all padding is applied that a convolution cannot do by itself."""
    if x.dim() < layer.weight.dim():
        x = x.unsqueeze(0)
    padding = layer.padding
    if layer.padding_mode != "zeros" or isinstance(padding, str):
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        # torch's own convolutions pad in this way before the kernel for modes other than zeros, and
        # for the padding "same".
        x = F.pad(x, layer._reversed_padding_repeated_twice, mode=mode)
        padding = (0,) * len(layer.stride)
    return x, Geometry(layer.stride, padding, layer.dilation, layer.groups)
