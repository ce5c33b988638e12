"""A critic of patches, and its term in the loss of an autoencoder."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@final
class Critic(nn.Module):
    """Says of each patch of a field whether it is real: positive where it thinks so.

    It trains beside the autoencoder and is not part of what a run saves.

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
    """The identity, whose gradient has the other sign and another size."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * gradients[0], None


def adversarial_loss(critic: Critic, real: Tensor, made: Tensor, weight: float) -> Tensor:
    """The critic's hinge loss, which the critic lowers and the autoencoder raises.

    One optimiser serves both: the gradient changes its sign on the way to `made`, and takes on
    the weight there. The critic itself learns with weight 1.

    Args:
        critic: of patches.
        real: (batch, field, x, y, z).
        made: of the same shape, with the gradients of the autoencoder.
        weight: of the term for the autoencoder.

    Returns:
        A scalar.

    Source: the hinge loss is that of Lim and Ye 2017, arXiv:1705.02894; the reversed gradient is
        that of Ganin et al. 2016, arXiv:1505.07818.
    """
    reversed_made: Tensor = _Reversed.apply(made, weight)  # type: ignore[no-untyped-call]  # torch has no type for it
    return F.relu(1 - critic(real)).mean() + F.relu(1 + critic(reversed_made)).mean()
