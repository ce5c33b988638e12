"""A generator of states: flow matching in the latents, followed by Tadpole's decoder.

Lipman et al. 2023, arXiv:2210.02747. With noise z0, data z1 and z_t = (1 - t) z0 + t z1, a network
learns the velocity z1 - z0 from z_t and t. Integration from t = 0 to 1 turns noise into data. The
data are the means of the encoder's latents, shifted and scaled to zero mean and unit variance. One
network can generate states of several equations, which it tells apart by a label.
"""

from __future__ import annotations

from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn

from scionwood import load_weights
from scionwood_pde.model.coder import Coder, check_fields
from scionwood_pde.model.latent import LatentTransformer, waves
from scionwood_pde.model.presets import STRIDE, Size, SizeName
from scionwood_pde.model.tiles import Boundary

TIME_SCALE = 1000.0
"""Factor of times between 0 and 1, so that the sines distinguish them."""

HEAD_REMEDY = "Give head.safetensors of a run of pde/tadpole_flow with the same fields and labels"
_VELOCITY = r"velocity\.(time\.[02]|network\..*(qkv|proj|gate|up|down|modulation))"


@final
class Standardisation(nn.Module):
    """Shift and scale of each latent channel, which are measured on data.

    Before the measurement, latents do not change.

    Args:
        channels: number of channels of the latents.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1, 1))

    def measure(self, z: Tensor) -> None:
        """Measure mean and standard deviation of latents (batch, channel, x, y, z)."""
        axes = (0, 2, 3, 4)
        self.mean.copy_(z.mean(axes).view_as(self.mean))
        # A channel that never varies stays what it is.
        self.std.copy_(z.std(axes, correction=0).clamp(min=1e-6).view_as(self.std))

    def forward(self, z: Tensor) -> Tensor:
        """Normalise latents to zero mean and unit variance."""
        return (z - self.mean) / self.std

    def inverse(self, z: Tensor) -> Tensor:
        """Convert normalised latents back."""
        return z * self.std + self.mean


@final
class Velocity(nn.Module):
    """A network for the velocity of latents at a time.

    Args:
        channels: number of channels of the latents.
        size: size of the model, which sets width and depth.
        labels: number of equations that it tells apart, each by a vector that is added to the
            encoded time.
    """

    def __init__(self, channels: int, size: Size, labels: int = 0) -> None:
        super().__init__()
        width = size.latent_width
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.network = LatentTransformer(
            channels, width=width, depth=size.latent_depth, conditioned=True
        )
        self.labels = nn.Embedding(labels, width) if labels else None

    def forward(self, z: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """Map latents (batch, channel, x, y, z), times (batch,) and labels to the latents' shape.

        Raises:
            ValueError: labels are missing, or the network has none.
        """
        condition = self.time(waves(TIME_SCALE * t, self.width))
        if (self.labels is None) != (label is None):
            has = 0 if self.labels is None else self.labels.num_embeddings
            text = "no label" if label is None else "a label"
            raise ValueError(f"{text}: this generator has {has} labels. Give one if it has some")
        if self.labels is not None:
            condition = condition + self.labels(label)
        y: Tensor = self.network(z, condition)
        return y


@final
class TadpoleFlow(Coder):
    """A generator of states: flow matching between noise and Tadpole's latents.

    The head is the network for the velocity, which trains with `flow`. An adapter can be attached
    to the decoder. With `velocity`, this network comes from a former run and belongs to the base.
    Adapters can then be attached to it too (targets `velocity`, or `generation` for this network
    and the convolutions of the decoder), for example to learn further equations.

    Args:
        fields: number of fields of a state.
        steps: integration steps from noise to data.
        labels: number of equations that the network for the velocity tells apart by a label; 0
            means one kind of states, without a label. The vectors of labels whose equations the
            network has not seen are random.
        velocity: `none` (the head), or `head.safetensors` of a run with this backbone, the same
            fields and the same labels.

    Shapes: noise (batch, field * latent channel, x / 16, y / 16, z / 16) to states
        (batch, field, x, y, z), float32.

    Units: noise of unit variance; each field has about zero mean and unit variance.

    Source: Lipman et al. 2023, arXiv:2210.02747; in the latents of Tadpole, arXiv:2605.15284.
    """

    OWN = ("velocity", "standard")

    # Not a dataclass: the default of `velocity` would hide the module of this name.
    def __init__(
        self,
        *,
        fields: int = 1,
        steps: int = 16,
        labels: int = 0,
        velocity: str | Path = "none",
        size: SizeName = "tiny",
        weights: str | Path = "none",
        init_seed: int = 0,
        tile: int | None = None,
        halo: int = 0,
        boundary: Boundary = "edge",
        at_once: int = 0,
    ) -> None:
        self.fields, self.steps, self.labels = fields, steps, labels
        super().__init__(
            size=size,
            weights=weights,
            init_seed=init_seed,
            tile=tile,
            halo=halo,
            boundary=boundary,
            at_once=at_once,
        )
        trained = str(velocity) != "none"
        self.head = () if trained else self.OWN
        # `forward` does not call the encoder, so that adapters there would learn nothing.
        self.adapter_targets = {
            preset: pattern.replace("(encoder|decoder)", "decoder")
            for preset, pattern in self.adapter_targets.items()
        }
        if trained:
            parts = nn.ModuleDict({name: self.get_submodule(name) for name in self.OWN})
            load_weights(parts, velocity, remedy=HEAD_REMEDY)
            self.card["velocity"] = Path(velocity).name
            self.adapter_targets["velocity"] = _VELOCITY
            self.adapter_targets["generation"] = f"{self.adapter_targets['conv']}|{_VELOCITY}"

    def add_head(self) -> None:
        """Add the network for the velocity, and the scales of the latents."""
        channels = self.fields * self.shape.latent_channels
        self.velocity = Velocity(channels, self.shape, self.labels)
        self.standard = Standardisation(channels)

    def forward(self, noise: Tensor, label: Tensor | None = None) -> Tensor:
        """Generate states by Heun's method.

        Args:
            noise: (batch, field * latent channel, x / 16, y / 16, z / 16), unit normal.
            label: number of the equation of each state, (batch,) int64, if the model has labels.

        Returns:
            (batch, field, x, y, z), each field with about zero mean and unit variance.

        Raises:
            ValueError: the shape does not fit the latents of a domain with this tiling, or labels
                are missing or not known.
        """
        z, dt = noise, 1.0 / self.steps
        for step in range(self.steps):
            t = noise.new_full((noise.shape[0],), step * dt)
            first = self.velocity(z, t, label)
            # Heun: the mean of the slopes at both ends, an error of dt^2 for two evaluations.
            second = self.velocity(z + dt * first, t + dt, label)
            z = z + 0.5 * dt * (first + second)
        sides = [STRIDE * side for side in noise.shape[2:]]
        return self.decode(self.standard.inverse(z), sides)

    def flow(
        self, x: Tensor, noise: Tensor, t: Tensor, label: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the velocity between noise and states from the network, and the reference.

        The encoder gets no gradient, because it could make the latents easier to predict instead of
        improving the network.

        Args:
            x: states, (batch, field, x, y, z).
            noise: unit normal noise in the shape of the latents.
            t: times, (batch,), between 0 and 1.
            label: see `forward`.

        Returns:
            Two tensors in the shape of the noise. Their mean square difference is the loss,
            equation 9.
        """
        return self.matched(self.latents(x), noise, t, label)

    @torch.no_grad()
    def latents(self, x: Tensor) -> Tensor:
        """Return the normalised latents of states (batch, field, x, y, z), without a gradient."""
        check_fields(x, self.fields)
        z: Tensor = self.standard(self.encode(x).mean)
        return z

    def matched(
        self, data: Tensor, noise: Tensor, t: Tensor, label: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return what `flow` returns, from the normalised latents of states instead of states."""
        return self.velocity(between(noise, data, t), t, label), data - noise

    def example_input(self) -> tuple[Tensor, ...]:
        """Return noise, and a label if the model has some, for one state of the smallest side."""
        cells = (self.tiling.tile or STRIDE) // STRIDE
        noise = self.example(self.fields * self.shape.latent_channels, cells)
        return (noise, torch.zeros(1, dtype=torch.int64)) if self.labels else (noise,)


def between(noise: Tensor, data: Tensor, t: Tensor) -> Tensor:
    """Return the point of the straight path from noise to data at a time.

    Args:
        noise: unit normal noise, (batch, ...).
        data: of the same shape.
        t: times, (batch,), between 0 and 1.

    Returns:
        `(1 - t) noise + t data`.
    """
    share = t.view(-1, *[1] * (data.ndim - 1))
    return (1 - share) * noise + share * data
