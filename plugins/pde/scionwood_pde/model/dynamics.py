"""Tadpole-DFT: the autoencoder as a model of dynamics, from a state to the next one.

Reconstruction from the published code of Tadpole (arXiv:2605.15284). The output of a network over
the latents of all fields is added to them. The decoder adds the encoder's maps with scales that
start at zero. Before training, the model equals the autoencoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from scionwood_pde.model.coder import Coder, check_fields, fields_apart, fields_together
from scionwood_pde.model.latent import LatentTransformer
from scionwood_pde.model.presets import STRIDE


@final
class LatentUpdate(nn.Module):
    """The update `a z + S(z)`, where a starts at one and S at zero."""

    def __init__(self, network: LatentTransformer) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.network = network

    def forward(self, z: Tensor) -> Tensor:
        """Map (batch, channel, x, y, z) to the same shape."""
        y: Tensor = self.scale * z + self.network(z)
        return y


@final
class Skips(nn.Module):
    """Skip connections: the encoder's maps, each times a scale that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.Parameter(torch.zeros(4))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the scaled maps of strides 1, 2, 4 and 8, with the coarsest first."""
        return [scale * x for scale, x in zip(self.scales, reversed(maps), strict=True)]


@final
@dataclass(kw_only=True, eq=False, repr=False)
class TadpoleDynamics(Coder):
    """Tadpole as a model of dynamics: a state to the next one, in one pass.

    The head is a network over the latents of all fields, and the scales of the skip connections.
    It trains with the adapter and is saved with it. Before training, the model equals the
    autoencoder.

    Attributes:
        fields: number of fields of a state.

    Shapes: (batch, field, x, y, z) to the same, float32. Sides of at least 16 voxels are padded to
        multiples of 16.

    Units: each field has about zero mean and unit variance, in and out.

    Source: Tadpole, arXiv:2605.15284, and its published code; reconstruction.
    """

    fields: int = 1
    head = ("latent", "skips")

    def add_head(self) -> None:
        """Add the update of the latents, and the scales of the skip connections."""
        channels = self.fields * self.shape.latent_channels
        network = LatentTransformer(
            channels, width=self.shape.latent_width, depth=self.shape.latent_depth
        )
        self.latent, self.skips = LatentUpdate(network), Skips()

    def forward(self, x: Tensor) -> Tensor:
        """Predict the next state.

        Args:
            x: (batch, field, x, y, z), each field with about zero mean and unit variance.

        Returns:
            The same shape and units, one step later.

        Raises:
            ValueError: the shape or the number of fields is wrong, or the domain does not fit the
                tiling.
        """
        layout = self.layout(x)
        check_fields(x, self.fields)
        latent = layout.latent()
        mean, *maps = self.batched(self._encode, layout.split(fields_apart(x, 1)))
        z = self.latent(fields_together(latent.join(mean), self.fields))
        cells = latent.split(fields_apart(z, self.shape.latent_channels))
        (tiles,) = self.batched(self._decode, cells, *maps)
        return fields_together(layout.join(tiles), self.fields)

    def _encode(self, tiles: Tensor) -> tuple[Tensor, ...]:
        *maps, coarsest = self.encoder.maps(tiles)
        return self.encoder.distribution(coarsest).mean, *maps

    def _decode(self, cells: Tensor, *maps: Tensor) -> tuple[Tensor, ...]:
        return (self.decoder(cells, self.skips(maps)),)

    def example_input(self) -> tuple[Tensor, ...]:
        """Return one state with the smallest side that the tiling allows."""
        return (self.example(self.fields, self.tiling.tile or STRIDE),)
