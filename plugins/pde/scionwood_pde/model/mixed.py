"""Tadpole as a model of dynamics with an adapter of ours: fields mix at every skip connection.

The encoder sees one field at a time, so that the published decoder cannot form a product of two
fields at a fine scale. This adapter mixes the maps of all fields and frames at strides 1 to 16 with
bilinear layers, and replaces the decoder's last convolution by one over the maps of all fields. It
is this project's own and not part of Tadpole (arXiv:2605.15284).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from scionwood_pde.model.coder import ADAPTER_TARGETS, fields_apart, fields_together
from scionwood_pde.model.decoder import Decoder
from scionwood_pde.model.encoder import Encoder
from scionwood_pde.model.presets import STRIDE, Size
from scionwood_pde.model.stencils import Mixing, convolution
from scionwood_pde.model.tiles import Boundary

MIXED_TARGETS: Mapping[str, str] = {
    preset: rf"network\.{pattern}".replace("|decompress", "")
    for preset, pattern in ADAPTER_TARGETS.items()
}
"""The presets of Tadpole without the decoder's last convolution, which this model does not call."""


@final
class FieldMixing(nn.Module):
    """The layers that mix fields: one for each skip connection, one for the latents, and the last.

    Args:
        size: the dimensions of Tadpole.
        frames: fields times frames of the input.
        extra: channels of the input that are no frames.
        fields: fields of the output.
        width: channels between, at strides 1 and 2; twice as many at strides 4 and 8.
        boundary: `periodic` or `edge`.
    """

    def __init__(
        self, size: Size, frames: int, extra: int, fields: int, *, width: int, boundary: Boundary
    ) -> None:
        super().__init__()
        fine, half = size.features
        channels = (fine, half, size.hidden, 2 * size.hidden)
        self.skips = nn.ModuleList(
            Mixing(
                frames * c + (frames + extra if level == 0 else 0),
                fields * c,
                width * (1 if level < 2 else 2),
                boundary=boundary,
            )
            for level, c in enumerate(channels)
        )
        latent = size.latent_channels
        self.latents = Mixing(
            frames * latent, fields * latent, 4 * width, bilinear=False, boundary=boundary
        )
        self.out = convolution(fields * fine, fields, 3, boundary=boundary)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)


@final
class MixedTadpole(nn.Module):
    """Tadpole's encoder and decoder with `FieldMixing` between them.

    Args:
        size: the dimensions of Tadpole.
        fields: fields of a state.
        history: frames of the input, oldest first.
        extra: channels of the input after the frames.
        width: see `FieldMixing`.
        boundary: `periodic` also makes the convolutions of Tadpole periodic.
    """

    multiple = STRIDE

    def __init__(
        self,
        size: Size,
        *,
        fields: int,
        history: int = 1,
        extra: int = 0,
        width: int = 16,
        boundary: Boundary = "periodic",
    ) -> None:
        super().__init__()
        self.size, self.fields, self.frames = size, fields, history * fields
        self.encoder, self.decoder = Encoder(size), Decoder(size)
        self.mixing = FieldMixing(size, self.frames, extra, fields, width=width, boundary=boundary)
        if boundary == "periodic":
            for part in (self.encoder, self.decoder):
                _make_periodic(part)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame * field + extra, x, y, z) to (batch, field, x, y, z)."""
        frames, width = self.frames, self.size.latent_channels
        maps = list(self.encoder.maps(fields_apart(x[:, :frames], 1)))
        mean = fields_together(self.encoder.distribution(maps.pop()).mean, frames)
        z = mean[:, -self.fields * width :] + self.mixing.latents(mean)
        skips = []
        for level, (mix, feature_map) in enumerate(zip(self.mixing.skips, maps, strict=True)):
            together = fields_together(feature_map, frames)
            together = torch.cat([together, x], dim=1) if level == 0 else together
            skips.append(fields_apart(mix(together), feature_map.shape[1]))
        return self._decoded(fields_apart(z, width), skips[::-1])

    def _decoded(self, z: Tensor, skips: list[Tensor]) -> Tensor:
        """Return the output from latents and the skip maps of strides 8, 4, 2 and 1."""
        y = self.decoder.transformer_decoder(z, skips[:2])
        conv = self.decoder.conv_decoder
        y = conv.upsampling_layers[0](y) + skips[2]
        for block in conv.blocks:
            y = block(y)
        y = conv.upsampling_layers[1](y) + skips[3]
        out: Tensor = self.mixing.out(fields_together(y, self.fields))
        return out


def _make_periodic(module: nn.Module) -> None:
    """Let the convolutions of a module continue the domain with the values of the other side."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv3d) and layer.kernel_size[0] == 3:
            layer.padding_mode = "circular"
            # torch fills this at construction, and only for the modes that pad by it.
            layer._reversed_padding_repeated_twice = [1] * 6
