"""A convolutional vision tower whose last layer sees the cells of its feature map as tokens."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn


@final
class CellTower(nn.Module):
    """The vision tower of open_clip with a timm EfficientNet, its last convolution on tokens.

    A 1 x 1 convolution is a linear layer on each cell of the feature map, with the batch norm of a
    frozen tower folded into it. The features are the same up to rounding, and what needs tokens
    finds them: low-rank updates, prompts and fusions go onto `mix`.

    Args:
        tower: `open_clip`'s, with a `trunk` and a `head`.

    Shapes: image (batch, 3, size, size) to (batch, feature).
    """

    def __init__(self, tower: Any) -> None:
        super().__init__()
        trunk = tower.trunk
        self.trunk = nn.Sequential(trunk.conv_stem, trunk.bn1, trunk.blocks)
        self.mix, self.act = _folded(trunk.conv_head, trunk.bn2), trunk.bn2.act
        self.head = tower.head

    def forward(self, image: Tensor) -> Tensor:
        """The mean over cells, projected."""
        cells = self.trunk(image).flatten(2).transpose(1, 2)
        projected: Tensor = self.head(self.act(self.mix(cells)).mean(1))
        return projected


def has_cells(tower: Any) -> bool:
    """Whether it is a tower of which `CellTower` makes another that computes the same."""
    from timm.models.efficientnet import EfficientNet

    trunk = getattr(tower, "trunk", None)
    if not isinstance(trunk, EfficientNet):
        return False
    pool: Any = trunk.global_pool
    return trunk.conv_head.kernel_size == (1, 1) and pool.pool_type == "avg"


@torch.no_grad()
def _folded(convolution: Any, norm: Any) -> nn.Linear:
    """A 1 x 1 convolution and the norm behind it, with its running statistics."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    layer = nn.Linear(convolution.in_channels, convolution.out_channels)
    layer.weight.copy_(convolution.weight[..., 0, 0] * scale[:, None])
    layer.bias.copy_(norm.bias - norm.running_mean * scale)
    return layer
