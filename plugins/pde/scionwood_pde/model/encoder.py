"""The encoder of Tadpole, from one field at stride 1 to a Gaussian over latents at stride 16.

Holzschuh et al. 2025, P3D, arXiv:2509.10186, as a variational encoder without skip connections
(Tadpole, arXiv:2605.15284). Attribute names are those of the published state dict.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from scionwood_pde.model.attention import Stage
from scionwood_pde.model.blocks import Downsample, ResidualBlock
from scionwood_pde.model.presets import Size

LOG_VARIANCES = (-30.0, 20.0)
"""Lower and upper bound of the logarithm of the variance."""


@final
class Gaussian(NamedTuple):
    """Independent normal distributions of latents.

    Attributes:
        mean: (batch, channel, x, y, z).
        logvar: logarithm of the variance, of the same shape.
    """

    mean: Tensor
    logvar: Tensor

    def sample(self, noise: Tensor | None = None) -> Tensor:
        """Draw one sample.

        Args:
            noise: unit normal noise of the mean's shape. `None` means noise from torch's global
                generator.
        """
        noise = torch.randn_like(self.mean) if noise is None else noise
        # Reparameterised, so that mean and variance get gradients.
        return self.mean + (0.5 * self.logvar).exp() * noise

    def kl(self) -> Tensor:
        """Return the Kullback-Leibler divergence of each latent from the unit normal, in nats.

        Source: Kingma and Welling 2014, arXiv:1312.6114, appendix B.
        """
        return 0.5 * (self.mean.square() + self.logvar.exp() - 1 - self.logvar)


@final
class ConvEncoder(nn.Module):
    """Convolutions from one channel at stride 1 to `hidden` channels at stride 4."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        fine, half = size.features
        self.feature_embed = nn.Conv3d(1, fine, 3, padding=1)
        self.downsampling_layers = nn.ModuleList(
            [
                nn.Conv3d(fine, half, 3, stride=2, padding=1),
                nn.Conv3d(half, size.hidden, 3, stride=2, padding=1),
            ]
        )
        self.blocks = nn.ModuleList(ResidualBlock(half, size.groups) for _ in range(2))

    def maps(self, x: Tensor) -> Generator[Tensor, None, Tensor]:
        """Yield the maps at strides 1 and 2; return the map at stride 4."""
        x = self.feature_embed(x)
        yield x
        x = self.downsampling_layers[0](x)
        for block in self.blocks:
            x = block(x)
        yield x
        coarse: Tensor = self.downsampling_layers[1](x)
        return coarse


@final
class TransformerEncoder(nn.Module):
    """Transformer stages at strides 4, 8 and 16, with convolutions of stride 2 between them."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        widths = (size.hidden, 2 * size.hidden)
        self.encoder_levels = nn.ModuleList(Stage(width, size.heads) for width in widths)
        self.downsamples = nn.ModuleList(Downsample(width) for width in widths)
        self.latent = Stage(size.latent_channels, size.heads)

    def maps(self, x: Tensor) -> Generator[Tensor, None, Tensor]:
        """Yield the maps at strides 4 and 8; return the map at stride 16."""
        for level, downsample in zip(self.encoder_levels, self.downsamples, strict=True):
            x = level(x)
            yield x
            x = downsample(x)
        coarse: Tensor = self.latent(x)
        return coarse


@final
class Encoder(nn.Module):
    """The encoder from one field to the distribution of its latents.

    Args:
        size: the dimensions of the network.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.conv_encoder = ConvEncoder(size)
        self.transformer_encoder = TransformerEncoder(size)
        self.to_latent = nn.Conv3d(size.latent_channels, 2 * size.latent_channels, 1)

    def forward(self, x: Tensor) -> Gaussian:
        """Encode fields.

        Args:
            x: (batch, 1, x, y, z) of unit variance; sides are multiples of 16.

        Returns:
            Distributions of shape (batch, latent channel, x / 16, y / 16, z / 16).
        """
        coarsest = x
        for feature_map in self.maps(x):  # unlike a list, this keeps one map at a time
            coarsest = feature_map
        return self.distribution(coarsest)

    def maps(self, x: Tensor) -> Iterator[Tensor]:
        """Yield the maps at strides 1, 2, 4, 8 and 16; the first four serve as skip connections."""
        x = yield from self.conv_encoder.maps(x)
        yield (yield from self.transformer_encoder.maps(x))

    def distribution(self, coarsest: Tensor) -> Gaussian:
        """Return the distribution of the latents from the map at stride 16."""
        mean, logvar = self.to_latent(coarsest).chunk(2, dim=1)
        return Gaussian(mean, logvar.clamp(*LOG_VARIANCES))
