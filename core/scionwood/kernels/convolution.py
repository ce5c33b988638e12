"""A convolution in one, two or three dimensions, and its gradients, with one geometry for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.nn import functional

from scionwood.errors import AdapterError


@final
class Geometry(NamedTuple):
    """The parameters of a convolution, with one entry for each axis of the volume."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    extra: tuple[int, ...]  # more zeros at the end, for "same" with an odd total
    groups: int

    def pad(self, x: Tensor) -> Tensor:
        """Add the zeros of `extra`."""
        if not any(self.extra):
            return x
        return functional.pad(x, [n for extra in reversed(self.extra) for n in (0, extra)])

    def crop(self, x: Tensor) -> Tensor:
        """Remove what `pad` has added."""
        for axis, extra in enumerate(self.extra, start=2):
            x = x.narrow(axis, 0, x.shape[axis] - extra)
        return x

    def point(self) -> Geometry:
        """Return the geometry of B, a kernel of size 1."""
        n = len(self.stride)
        return Geometry((1,) * n, (0,) * n, (1,) * n, (0,) * n, self.groups)


def geometry_of(
    kernel: Sequence[int],
    stride: int | Sequence[int],
    padding: int | Sequence[int] | str,
    dilation: int | Sequence[int],
    groups: int,
) -> Geometry:
    """Return the geometry of a convolution from the arguments of torch.

    Raises:
        AdapterError: The padding is unknown or impossible.
    """
    n = len(kernel)
    steps, spread = _per_axis(stride, n), _per_axis(dilation, n)
    if padding == "same" and max(steps) == 1:
        total = [d * (k - 1) for d, k in zip(spread, kernel, strict=True)]
        half, odd = tuple(t // 2 for t in total), tuple(t % 2 for t in total)
        return Geometry(steps, half, spread, odd, groups)
    if isinstance(padding, str) and padding != "valid":
        rule = "a named padding is 'valid', or 'same' with stride 1"
        raise AdapterError(f"padding {padding!r}, stride {steps}", rule, "Pass the number of zeros")
    zeros = _per_axis(0 if isinstance(padding, str) else padding, n)
    return Geometry(steps, zeros, spread, (0,) * n, groups)


def _per_axis(value: int | Sequence[int], n: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * n if len(values) == 1 else values


def convolve(x: Tensor, kernel: Tensor, bias: Tensor | None, how: Geometry) -> Tensor:
    """Convolve a batch; no argument is checked."""
    still, (stride, padding, dilation, _, groups) = [0] * len(how.stride), how
    return torch.convolution(x, kernel, bias, stride, padding, dilation, False, still, groups)


def gradients(
    dy: Tensor, x: Tensor, kernel: Tensor, how: Geometry, of_x: bool, of_kernel: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of `convolve` with respect to x and the kernel, or `None` for each."""
    still, (stride, padding, dilation, _, groups) = [0] * len(how.stride), how
    mask = [of_x, of_kernel, False]
    dx, dkernel, _ = torch.ops.aten.convolution_backward(
        dy, x, kernel, None, stride, padding, dilation, False, still, groups, mask
    )
    return dx, dkernel


def reshaped(y: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the output of a Function in another shape.

    A block that runs without gradients inside a Function, as a checkpoint does, must not return a
    view: autograd would refuse to change it in place.
    """
    if torch.is_grad_enabled():
        return y.view(shape)
    output: Tensor = torch.ops.aten._unsafe_view.default(y, shape)
    return output
