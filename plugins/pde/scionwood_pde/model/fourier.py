"""Fourier neural operators in one to three dimensions, with the layout of neuraloperator 2.0.

Li et al. 2021, arXiv:2010.08895, and Kossaifi et al. 2024, arXiv:2310.00120 (weights as a Tucker
product). Names and shapes of the weights are those of `neuralop.models.FNO` and `TFNO` without
normalisation layers, so that their checkpoints load; a test compares the outputs of both. The
library itself is not used, because it requires Weights & Biases and six more packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SpectralConv(nn.Module):
    """A product of the lowest modes of a field with a complex weight for each mode.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        modes: number of modes along each axis, both signs together.
    """

    weight: Any
    adapter_weights = {"weight": "io*"}  # noqa: RUF012  # the core reads it from the class

    def __init__(self, in_channels: int, out_channels: int, modes: Sequence[int]) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        # A real field's spectrum has only the modes from 0 on along its last axis.
        self.kept = (*modes[:-1], modes[-1] // 2 + 1)
        self.bias = nn.Parameter(torch.empty(out_channels, *[1] * len(modes)))
        self._make_weight((in_channels, out_channels, *self.kept))
        nn.init.normal_(self.bias, std=self.deviation)

    @property
    def deviation(self) -> float:
        """Standard deviation of the initial weights."""
        return float((2 / (self.in_channels + self.out_channels)) ** 0.5)

    def _make_weight(self, shape: tuple[int, ...]) -> None:
        self.weight = nn.Parameter(torch.empty(shape, dtype=torch.complex64))
        nn.init.normal_(self.weight, std=self.deviation)

    def product(self, spectrum: Tensor, low: Sequence[slice]) -> Tensor:
        """Multiply the kept modes of a spectrum, (batch, in, *modes), by the weight."""
        weight = self.weight[(slice(None), slice(None), *low)]
        y: Tensor = torch.einsum("bi...,io...->bo...", spectrum, weight)
        return y

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in, *space) to (batch, out, *space)."""
        sides, axes = x.shape[2:], tuple(range(2, x.ndim))
        spectrum = torch.fft.rfftn(x, dim=axes, norm="forward")
        places, low = self._places(spectrum.shape[2:])
        lines = torch.meshgrid(*(line.to(x.device) for line in places), indexing="ij")
        at: tuple[Any, ...] = (slice(None), slice(None), *lines)
        product = self.product(spectrum[at], low)
        out = product.new_zeros(x.shape[0], self.out_channels, *spectrum.shape[2:])
        out[at] = product
        y: Tensor = torch.fft.irfftn(out, s=tuple(sides), dim=axes, norm="forward")
        return y + self.bias

    def _places(self, lengths: Sequence[int]) -> tuple[list[Tensor], list[slice]]:
        """Return the places of the kept modes in the spectrum, and in the weight, for each axis."""
        places, low = [], []
        for axis, (length, mode_count) in enumerate(zip(lengths, self.kept, strict=True)):
            count = min(length, mode_count)
            last = axis == len(lengths) - 1
            # The weight has mode 0 in its middle, as neuraloperator shifts it; on a small grid its
            # outer modes are left out.
            first = 0 if last else (mode_count - count) // 2
            below = 0 if last else count // 2
            places.append((torch.arange(count) - below) % length)
            low.append(slice(first, first + count))
        return places, low


@final
class TuckerConv(SpectralConv):
    """A spectral convolution whose weight is a Tucker product of a core and a factor for each axis.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        modes: number of modes along each axis.
        rank: share of the dense weight's numbers that core and factors hold together, about.
    """

    adapter_weights = {}  # noqa: RUF012  # core and factors are low-rank already

    def __init__(
        self, in_channels: int, out_channels: int, modes: Sequence[int], rank: float
    ) -> None:
        self.rank = rank
        super().__init__(in_channels, out_channels, modes)

    def _make_weight(self, shape: tuple[int, ...]) -> None:
        ranks = tucker_ranks(shape, self.rank)
        # A dense entry is a sum of prod(ranks) products of n + 1 normal numbers, with the variance
        # prod(ranks) std^(2 (n + 1)); this std makes it that of the dense weight.
        std = (self.deviation / prod(ranks) ** 0.5) ** (1 / (len(shape) + 1))
        self.weight = nn.ParameterDict()
        self.weight["core"] = nn.Parameter(torch.empty(ranks, dtype=torch.complex64))
        for i, (side, r) in enumerate(zip(shape, ranks, strict=True)):
            factor = torch.empty(side, r, dtype=torch.complex64)
            self.weight[f"factor_{i}"] = nn.Parameter(factor)
        for part in self.weight.values():
            nn.init.normal_(part, std=std)

    def product(self, spectrum: Tensor, low: Sequence[slice]) -> Tensor:
        """Multiply the kept modes of a spectrum by the Tucker product."""
        weight = self.weight["core"]
        for i, part in enumerate((slice(None), slice(None), *low)):
            weight = torch.tensordot(weight, self.weight[f"factor_{i}"][part], dims=([0], [1]))
        y: Tensor = torch.einsum("bi...,io...->bo...", spectrum, weight)
        return y


def tucker_ranks(shape: Sequence[int], share: float) -> tuple[int, ...]:
    """Return ranks in proportion to the sides, with which a Tucker product holds a share.

    Args:
        shape: sides of the dense weight.
        share: share of its numbers, between 0 and 1.
    """
    low, high, squares = 0.0, 1.0, sum(side * side for side in shape)
    for _ in range(60):
        middle = (low + high) / 2
        # Numbers of the core and of all factors, if each rank is `middle` times its side.
        count = prod(shape) * middle ** len(shape) + middle * squares
        low, high = (middle, high) if count < share * prod(shape) else (low, middle)
    return tuple(max(1, min(side, round(low * side))) for side in shape)


@final
class ChannelMLP(nn.Module):
    """Two pointwise layers with a GELU between them."""

    def __init__(self, channels: int, hidden: int, out: int) -> None:
        super().__init__()
        self.fcs = nn.ModuleList([nn.Conv1d(channels, hidden, 1), nn.Conv1d(hidden, out, 1)])

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, *space) to (batch, out, *space)."""
        y = self.fcs[1](F.gelu(self.fcs[0](x.flatten(2))))
        return torch.unflatten(y, 2, x.shape[2:])


@final
class PointwiseSkip(nn.Module):
    """A linear layer between channels, without a bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, *space) to the same shape."""
        return torch.unflatten(self.conv(x.flatten(2)), 2, x.shape[2:])


@final
class Gate(nn.Module):
    """A factor for each channel."""

    def __init__(self, channels: int, dims: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, channels, *[1] * dims))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, *space) to the same shape."""
        return self.weight * x


@final
class FourierBlocks(nn.Module):
    """The layers between lifting and projection."""

    def __init__(self, width: int, layers: int, modes: Sequence[int], rank: float | None) -> None:
        super().__init__()

        def spectral() -> SpectralConv:
            if rank is None:
                return SpectralConv(width, width, modes)
            return TuckerConv(width, width, modes, rank)

        self.convs = nn.ModuleList(spectral() for _ in range(layers))
        self.fno_skips = nn.ModuleList(PointwiseSkip(width) for _ in range(layers))
        mlps = (ChannelMLP(width, round(0.5 * width), width) for _ in range(layers))
        self.channel_mlp = nn.ModuleList(mlps)
        self.channel_mlp_skips = nn.ModuleList(Gate(width, len(modes)) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, width, *space) to the same shape."""
        last = len(self.convs) - 1
        for i, conv in enumerate(self.convs):
            gated = self.channel_mlp_skips[i](x)
            y = conv(x) + self.fno_skips[i](x)
            y = F.gelu(y) if i < last else y
            y = self.channel_mlp[i](y) + gated
            x = F.gelu(y) if i < last else y
        return x


@final
class FNO(nn.Module):
    """A Fourier neural operator.

    Args:
        channels: channels of the input.
        out: channels of the output.
        modes: number of modes along each axis, both signs together.
        width: channels of the layers.
        layers: number of layers.
        rank: share of the numbers of a Tucker weight. `None` means dense weights.
        grid: append the coordinates, from 0 to 1 along each axis, to the input.
    """

    multiple = 1

    def __init__(
        self,
        channels: int,
        out: int,
        *,
        modes: Sequence[int],
        width: int = 20,
        layers: int = 4,
        rank: float | None = None,
        grid: bool = False,
    ) -> None:
        super().__init__()
        self.grid = grid
        inputs = channels + (len(modes) if grid else 0)
        self.lifting = ChannelMLP(inputs, 2 * width, width)
        self.fno_blocks = FourierBlocks(width, layers, modes, rank)
        self.projection = ChannelMLP(width, 2 * width, out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, *space) to (batch, out, *space)."""
        if self.grid:
            lines = [
                torch.arange(side, dtype=x.dtype, device=x.device) / side for side in x.shape[2:]
            ]
            places = torch.stack(torch.meshgrid(*lines, indexing="ij"))
            x = torch.cat([x, places.expand(x.shape[0], *places.shape)], dim=1)
        y: Tensor = self.projection(self.fno_blocks(self.lifting(x)))
        return y


def to_neuraloperator(name: str) -> str:
    """Return the name that neuraloperator gives to one of our weights."""
    for part in (".weight.core", ".weight.factor_"):
        if part in name:
            return name.replace(".weight.factor_", ".weight.factors.factor_")
    spectral = ".convs." in name and name.endswith(".weight")
    return f"{name}.tensor" if spectral else name
