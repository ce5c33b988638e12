"""A critic of patches, and its adversarial term in the loss of an autoencoder."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@final
class Critic(nn.Module):
    """A network that scores each patch of a field: positive if the patch looks real.

    It trains together with the autoencoder. A run does not save it.

    Args:
        width: channels after the first layer; they double twice.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((1, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [nn.Conv3d(before, after, 3, stride=2, padding=1), nn.GELU()]
        self.layers = nn.Sequential(*layers, nn.Conv3d(4 * width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, field, x, y, z) to scores (batch * field, 1, x / 8, y / 8, z / 8)."""
        scores: Tensor = self.layers(x.flatten(0, 1).unsqueeze(1))
        return scores


@final
class _Reversed(torch.autograd.Function):
    """The identity, whose gradient is multiplied by a negative weight."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * gradients[0], None


def adversarial_loss(critic: Critic, real: Tensor, fake: Tensor, weight: float) -> Tensor:
    """Return the hinge loss of the critic, which the critic lowers and the autoencoder raises.

    One optimiser serves both: the gradient changes its sign on its way to `fake` and is multiplied
    by the weight. The critic itself learns with weight 1.

    Args:
        critic: the critic of patches.
        real: (batch, field, x, y, z).
        fake: the reconstruction, of the same shape, connected to the autoencoder.
        weight: weight of the term for the autoencoder.

    Returns:
        A scalar.

    Source: the hinge loss is that of Lim and Ye 2017, arXiv:1705.02894; the reversed gradient is
        that of Ganin et al. 2016, arXiv:1505.07818.
    """
    reversed_made: Tensor = _Reversed.apply(fake, weight)  # type: ignore[no-untyped-call, unused-ignore]
    return F.relu(1 - critic(real)).mean() + F.relu(1 + critic(reversed_made)).mean()
