"""A generator of states: latent flow matching, decoded by Tadpole's decoder.

Lipman et al. 2023, arXiv:2210.02747: with noise z0, data z1 and z_t = (1 - t) z0 + t z1, a network
learns the velocity z1 - z0 from z_t and t; integrating it from t = 0 to 1 turns noise into data.
Data are the means of the encoder's latents, shifted and scaled to zero mean and unit variance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from scionwood_pde.model.coder import Coder, check_fields
from scionwood_pde.model.latent import LatentTransformer, waves
from scionwood_pde.model.presets import STRIDE, Size
from scionwood_pde.model.tiles import Tiling

TIME_SCALE = 1000.0
"""Times between 0 and 1 are multiplied by it, so that the sines tell them apart."""


@final
class Standardisation(nn.Module):
    """Shift and scale of each latent channel, measured on data; none to begin with.

    Args:
        channels: of the latents.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1, 1))

    def measure(self, z: Tensor) -> None:
        """Take mean and standard deviation from latents (batch, channel, x, y, z)."""
        axes = (0, 2, 3, 4)
        self.mean.copy_(z.mean(axes).view_as(self.mean))
        self.std.copy_(z.std(axes, correction=0).clamp(min=1e-6).view_as(self.std))

    def forward(self, z: Tensor) -> Tensor:
        """Latents to zero mean and unit variance."""
        return (z - self.mean) / self.std

    def inverse(self, z: Tensor) -> Tensor:
        """Back to latents."""
        return z * self.std + self.mean


@final
class Velocity(nn.Module):
    """The velocity of latents at a time.

    Args:
        channels: of the latents.
        size: gives width and depth.
    """

    def __init__(self, channels: int, size: Size) -> None:
        super().__init__()
        width = size.latent_width
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.network = LatentTransformer(
            channels, width=width, depth=size.latent_depth, conditioned=True
        )

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        """Map (batch, channel, x, y, z) and (batch,) to the first's shape."""
        condition = self.time(waves(TIME_SCALE * t, self.width))
        y: Tensor = self.network(z, condition)
        return y


@final
class TadpoleFlow(Coder):
    """States from noise.

    Args:
        size: the dimensions.
        fields: variables of a state.
        steps: of the integration from noise to data.
        tiling: how domains are cut; the velocity sees the whole domain.
        at_once: the most tiles that the network takes at once; 0 for no limit.
        card: entries for the model card.
    """

    head = ("velocity", "standard")

    def __init__(
        self,
        size: Size,
        *,
        fields: int,
        steps: int = 16,
        tiling: Tiling | None = None,
        at_once: int = 0,
        card: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(size, tiling=tiling, at_once=at_once, card=card)
        channels = fields * size.latent_channels
        self.fields, self.steps = fields, steps
        self.velocity, self.standard = Velocity(channels, size), Standardisation(channels)
        # The flow never sees the encoder's layers in forward; adapters there would learn nothing.
        self.adapter_targets = {
            preset: pattern.replace("(encoder|decoder)", "decoder")
            for preset, pattern in self.adapter_targets.items()
        }

    def forward(self, noise: Tensor) -> Tensor:
        """Generate states by Heun's method.

        Args:
            noise: (batch, field * latent channel, x / 16, y / 16, z / 16), unit normal.

        Returns:
            (batch, field, x, y, z), each field of about zero mean and unit variance.

        Raises:
            ValueError: the shape is not that of latents that the tiling gives.
        """
        z, dt = noise, 1.0 / self.steps
        for step in range(self.steps):
            t = noise.new_full((len(noise),), step * dt)
            first = self.velocity(z, t)
            second = self.velocity(z + dt * first, t + dt)
            z = z + 0.5 * dt * (first + second)
        sides = [STRIDE * side for side in noise.shape[2:]]
        return self.decode(self.standard.inverse(z), sides)

    def flow(self, x: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The velocity that the network gives between noise and states, and the true one.

        The encoder gets no gradient: it could make the latents easy instead of the network good.

        Args:
            x: (batch, field, x, y, z) states.
            noise: of the shape of their latents, unit normal.
            t: (batch,) between 0 and 1.

        Returns:
            Both of the shape of the noise; their mean square difference is the loss, equation 9.
        """
        check_fields(x, self.fields)
        with torch.no_grad():
            data = self.standard(self.encode(x).mean)
        share = t.view(-1, 1, 1, 1, 1)
        z = (1 - share) * noise + share * data
        return self.velocity(z, t), data - noise

    def example_input(self) -> tuple[Tensor, ...]:
        """Noise for one state of the smallest side that the tiling allows."""
        cells = (self.tiling.tile or STRIDE) // STRIDE
        return (self.example(self.fields * self.size.latent_channels, cells),)
