"""Fourier symbols with a learned gain for each shell: what a stencil cannot see from its points.

A vorticity determines its velocity by an inverse Laplacian, and a velocity its pressure by a double
Riesz transform. Both see the whole box, and are one factor for each wave.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any, Literal, final

import torch
from torch import Tensor, nn

from scionwood_pde.model.processes import mean_over_processes
from scionwood_pde.model.spectra import modes, shells
from scionwood_pde.model.stencils import StencilNet

Feature = Literal["poisson", "gradient"]

FAINT = 1e-9
"""Share of all energy below which a shell is empty, as beyond the limit of de-aliasing."""


def symbols(names: Sequence[str], like: Tensor) -> Tensor:
    """Return the symbols of operators, where k counts the waves of the longest axis.

    Args:
        names: `poisson`, 1/k^2; `gradient`, i k_d/k^2 for each axis d; `riesz`, k_a k_b/k^2 for
            each pair of axes and i k_d/|k| for each axis. The symbol of the mean is 0.
        like: (batch, field, *space), for its sides and its device.

    Returns:
        (symbol, *spectrum) complex64, for `torch.fft.rfftn`.
    """
    sides = like.shape[2:]
    lines = modes(sides, like.device)
    shape = torch.broadcast_shapes(*(line.shape for line in lines))
    square = sum((line.square() for line in lines), start=torch.zeros(shape, device=like.device))
    inverse = torch.where(square > 0, 1 / square.clamp(min=0.25), 0.0)
    # An odd symbol is 0 at the Nyquist wave, whose sine vanishes on the grid.
    half = 0.5 * max(sides)
    odd = [torch.where(line.abs() == half, 0.0, line) for line in lines]
    smooth = sum((k.square() for k in odd), start=torch.zeros(shape, device=like.device))
    smooth = torch.where(smooth > 0, 1 / smooth.clamp(min=0.25), 0.0)
    parts: dict[str, list[Tensor]] = {
        "poisson": [inverse + 0j],
        "gradient": [1j * k * inverse for k in odd],
        "riesz": [a * b * smooth + 0j for a, b in combinations_with_replacement(odd, 2)]
        + [1j * k * inverse.sqrt() for k in odd],
    }
    return torch.stack([part for name in names for part in parts[name]])


def waves(x: Tensor) -> Tensor:
    """Return the spectrum of a field, (batch, field, *spectrum), in single precision or better."""
    single = x if x.dtype == torch.float64 else x.float()  # half precision has few transforms
    spectrum: Tensor = torch.fft.rfftn(single, dim=tuple(range(2, x.ndim)))
    return spectrum


def points(spectrum: Tensor, like: Tensor) -> Tensor:
    """Return the field of a spectrum, with the sides of another field."""
    axes = tuple(range(-len(like.shape[2:]), 0))
    field: Tensor = torch.fft.irfftn(spectrum, s=tuple(like.shape[2:]), dim=axes)
    return field


@final
class Multipliers(nn.Module):
    """All that `SpectralNet` multiplies in Fourier space: features, symbols after, a linear part.

    It is one module, because its numbers are measured and trained beside any adapter.

    Args:
        fields: fields of a state.
        last: position of the first field of the last frame among the channels.
        dims: number of space dimensions.
        features: symbols before the products.
        feature_channels: most features that are added; more are mixed linearly.
        after: multiply the output by gains and Riesz symbols.
        linear: add one real matrix (field, field) for each shell.
        shells: shells that have numbers of their own; finer ones share those of the last.

    Attributes:
        number: how many features it adds.
    """

    rms: Tensor
    finest: Tensor

    def __init__(
        self,
        fields: int,
        *,
        last: int = 0,
        dims: int = 2,
        features: Sequence[Feature] = ("poisson", "gradient"),
        feature_channels: int = 6,
        after: bool = True,
        linear: bool = True,
        shells: int = 64,
    ) -> None:
        super().__init__()
        self.fields, self.last, self.names = fields, last, tuple(features)
        smallest = torch.empty(1, fields, *(4,) * dims)
        per_field = len(symbols(self.names, smallest)) if self.names else 0
        n = fields * per_field
        self.number = min(n, feature_channels)
        self.register_buffer("rms", torch.ones(n))
        self.register_buffer("finest", torch.tensor(shells - 1))
        self.gain = nn.Parameter(torch.ones(per_field, shells)) if n else None
        self.mix: nn.Parameter | None = None
        if n > feature_channels:
            rows = torch.linalg.qr(torch.randn(n, feature_channels))[0].mT
            self.mix = nn.Parameter(rows.contiguous())
        self.after, self.gain_after = None, None
        if after:
            count = len(symbols(("riesz",), smallest))
            self.gain_after = nn.Parameter(torch.ones(1 + count, shells))
            self.after = nn.Parameter(torch.zeros(count, fields, fields))
        self.linear = nn.Parameter(torch.zeros(shells, fields, fields)) if linear else None

    def before(self, x: Tensor) -> Tensor:
        """Return the channels (batch, channel, *space), and the features after them."""
        if self.gain is None:
            return x
        state = self._state(x)
        features = self.features(waves(state), state)
        if self.mix is not None:
            features = torch.einsum("pn,bn...->bp...", self.mix, features)
        return torch.cat([x, features.to(x.dtype)], dim=1)

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        """Return the change of a state (batch, field, *space).

        Args:
            y: what the stencils return, of the same shape.
            x: the channels that they saw.
        """
        if self.after is None and self.linear is None:
            return y
        shell, total = self.shell(x), waves(y)
        if self.after is not None and self.gain_after is not None:
            gain = self.gain_after[:, shell]
            symbol = symbols(("riesz",), x) * gain[1:]
            matrix = torch.einsum("jab,j...->ab...", self.after + 0j, symbol)
            total = gain[0] * total + torch.einsum("ab...,nb...->na...", matrix, total)
        if self.linear is not None:
            matrix = self.linear[shell] + 0j
            total = total + torch.einsum("...ab,nb...->na...", matrix, waves(self._state(x)))
        return points(total, x)

    def _state(self, x: Tensor) -> Tensor:
        """Return the last frame of the channels."""
        return x[:, self.last : self.last + self.fields]

    def shell(self, like: Tensor) -> Tensor:
        """Return the place of each wave among the numbers by shell."""
        return torch.minimum(shells(like.shape[2:], like.device), self.finest)

    def features(self, spectrum: Tensor, like: Tensor) -> Tensor:
        """Return the features in units of their size in training."""
        assert self.gain is not None
        symbol = symbols(self.names, like) * self.gain[:, self.shell(like)]
        features = points(spectrum[:, :, None] * symbol, like).flatten(1, 2)
        # The sizes of k^-2 features differ from those of the fields by up to a thousand.
        return features / self.rms.view(-1, *[1] * (like.ndim - 2))

    @torch.no_grad()
    def measure(self, states: Sequence[Tensor], changes: Sequence[Tensor]) -> None:
        """Measure the sizes of the features, and fit the linear part by least squares.

        In each shell it is the matrix L that minimises |change - L state|^2 over the waves, so that
        a training starts near the best linear filter by shell.

        Args:
            states: batches of (batch, field, *space).
            changes: the changes to the next states, in the units of the output.
        """
        self.finest.copy_(self.shell(states[0]).max())
        squares, sums = [], []
        for state, change in zip(states, changes, strict=True):
            z, c, shell = waves(state), waves(change), self.shell(state)
            if self.gain is not None:
                squares.append(self.features(z, state).square().mean((0, *range(2, state.ndim))))
            if self.linear is not None:
                pairs = ((z, z), (c, z), (c, c))
                parts = [_by_shell(a, b, shell, len(self.linear)) for a, b in pairs]
                sums.append(torch.stack(parts))
        if squares:
            # At a second measurement the features were divided by the size of the first one.
            size = mean_over_processes(torch.stack(squares).mean(0)).sqrt() * self.rms
            self.rms.copy_(size.clamp(min=1e-9))
        if sums:
            self._fit(*mean_over_processes(torch.stack(sums).sum(0)))

    def _fit(self, state: Tensor, product: Tensor, change: Tensor) -> None:
        """Fit the linear part, and start the gains of shells without energy at 0."""
        assert self.linear is not None
        power = state.diagonal(dim1=1, dim2=2).sum(1)
        filled = power > FAINT * power.sum()
        eye = torch.eye(self.fields, dtype=power.dtype, device=power.device)
        ridge = (1e-6 * power + 1e-30)[:, None, None] * eye
        fitted = torch.linalg.solve(state + ridge, product, left=False)
        self.linear[filled] = fitted[filled].to(self.linear.dtype)
        if self.gain_after is not None:
            moving = change.diagonal(dim1=1, dim2=2).sum(1)
            self.gain_after[0, moving <= FAINT * moving.sum()] = 0


@final
class SpectralNet(nn.Module):
    """Products of stencils over channels and spectral features of them, and symbols after them.

    Args:
        channels: channels of the input.
        fields: fields of a state.
        dims: number of space dimensions.
        width: products of stencils, and as many stencils with a GELU.
        size: odd side of the stencils.
        options: see `Multipliers`.
    """

    multiple = 1

    def __init__(
        self, channels: int, fields: int, *, dims: int, width: int, size: int, **options: Any
    ) -> None:
        super().__init__()
        self.multipliers = Multipliers(fields, dims=dims, **options)
        inputs = channels + self.multipliers.number
        self.stencils = StencilNet(inputs, fields, width=width, size=size, dims=dims)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, *space) to (batch, field, *space)."""
        y: Tensor = self.multipliers(self.stencils(self.multipliers.before(x)), x)
        return y


def _by_shell(a: Tensor, b: Tensor, shell: Tensor, number: int) -> Tensor:
    """Return the sums of Re a b* over the waves of each shell, (shell, field, field) float64."""
    product = torch.einsum("nap,nbp->pab", a.flatten(2), b.flatten(2).conj()).real.double()
    total = product.new_zeros(number, *product.shape[1:])
    return total.index_add_(0, shell.flatten(), product)
