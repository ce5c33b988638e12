"""The decoder of Tadpole, from latents at stride 16 to one field at stride 1.

Holzschuh et al. 2025, P3D, arXiv:2509.10186; Tadpole, arXiv:2605.15284. Attribute names are those
of the published state dict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn
from torch.nn import functional as F

from scionwood_pde.model.attention import Stage
from scionwood_pde.model.blocks import PointwiseUpsample, ResidualBlock, Upsample
from scionwood_pde.model.presets import Size


@final
class FinalLayer(nn.Module):
    """A LayerNorm without parameters, then a convolution.

    Args:
        channels: number of channels in and out.

    Attributes:
        adaLN_modulation: a part of the published files that is not used.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_proj = nn.Conv3d(channels, channels, 3, padding=1)
        modulation = nn.Linear(channels, 2 * channels)
        nn.init.zeros_(modulation.weight)
        nn.init.zeros_(modulation.bias)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), modulation)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channel, x, y, z) to the same shape."""
        normal = F.layer_norm(x.movedim(1, -1), x.shape[1:2], eps=1e-6)
        y: Tensor = self.out_proj(normal.movedim(-1, 1))
        return y


@final
class TransformerDecoder(nn.Module):
    """Transformer stages at strides 8 and 4, with upsampling before each of them."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        widths = (2 * size.hidden, size.hidden)
        self.upsamples = nn.ModuleList(Upsample(2 * width) for width in widths)
        self.decoder_levels = nn.ModuleList(Stage(width, size.heads) for width in widths)
        self.final_layer = FinalLayer(size.hidden)

    def forward(self, x: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Map latents to `hidden` channels at stride 4, adding the skip maps of strides 8 and 4."""
        for i, (upsample, level) in enumerate(
            zip(self.upsamples, self.decoder_levels, strict=True)
        ):
            x = upsample(x)
            x = level(x + skips[i] if skips else x)
        y: Tensor = self.final_layer(x)
        return y


@final
class ConvDecoder(nn.Module):
    """Convolutions from `hidden` channels at stride 4 to one channel at stride 1."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        fine, half = size.features
        self.upsampling_layers = nn.ModuleList(
            [PointwiseUpsample(size.hidden, half), PointwiseUpsample(half, fine)]
        )
        self.blocks = nn.ModuleList(ResidualBlock(half, size.groups) for _ in range(2))
        self.decompress = nn.Conv3d(fine, 1, 3, padding=1)

    def forward(self, x: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Map to (batch, 1, x, y, z) at stride 1, adding the skip maps of strides 2 and 1."""
        x = self.upsampling_layers[0](x)
        x = x + skips[0] if skips else x
        for block in self.blocks:
            x = block(x)
        x = self.upsampling_layers[1](x)
        y: Tensor = self.decompress(x + skips[1] if skips else x)
        return y


@final
class Decoder(nn.Module):
    """The decoder from latents to one field.

    Args:
        size: the dimensions of the network.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.transformer_decoder = TransformerDecoder(size)
        self.conv_decoder = ConvDecoder(size)

    def forward(self, z: Tensor, skips: Sequence[Tensor] = ()) -> Tensor:
        """Decode latents.

        Args:
            z: (batch, latent channel, x, y, z).
            skips: no maps, or four maps of strides 8, 4, 2 and 1 that are added.

        Returns:
            (batch, 1, 16x, 16y, 16z).
        """
        x = self.transformer_decoder(z, skips[:2])
        field: Tensor = self.conv_decoder(x, skips[2:])
        return field
