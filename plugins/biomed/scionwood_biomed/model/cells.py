"""A convolutional vision tower whose last layer treats the cells of its feature map as tokens."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn


@final
class CellTower(nn.Module):
    """A vision tower of open_clip with a timm EfficientNet; its last convolution works on tokens.

    A 1 x 1 convolution is a linear layer on each cell of the feature map. The batch norm of the
    frozen tower is folded into it. The features are equal up to rounding. Adapters that need tokens
    (low-rank updates, prompts and fusions) are attached to `mix`.

    Args:
        tower: the vision tower of `open_clip`, with a `trunk` and a `head`.

    Shapes: image (batch, 3, size, size) to (batch, feature).
    """

    def __init__(self, tower: Any) -> None:
        super().__init__()
        trunk = tower.trunk
        self.trunk = nn.Sequential(trunk.conv_stem, trunk.bn1, trunk.blocks)
        self.mix, self.act = _folded(trunk.conv_head, trunk.bn2), trunk.bn2.act
        self.head = tower.head

    def forward(self, image: Tensor) -> Tensor:
        """Return the projected mean over the cells."""
        cells = self.trunk(image).flatten(2).transpose(1, 2)
        projected: Tensor = self.head(self.act(self.mix(cells)).mean(1))
        return projected


def has_cells(tower: Any) -> bool:
    """Return whether `CellTower` can replace a vision tower without changing its features."""
    from timm.models.efficientnet import EfficientNet

    trunk = getattr(tower, "trunk", None)
    if not isinstance(trunk, EfficientNet):
        return False
    pool: Any = trunk.global_pool
    return bool(trunk.conv_head.kernel_size == (1, 1) and pool.pool_type == "avg")


@torch.no_grad()
def _folded(convolution: Any, norm: Any) -> nn.Linear:
    """Fold a batch norm, with its running statistics, into the 1 x 1 convolution before it."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    layer = nn.Linear(convolution.in_channels, convolution.out_channels)
    layer.weight.copy_(convolution.weight[..., 0, 0] * scale[:, None])
    layer.bias.copy_(norm.bias - norm.running_mean * scale)
    return layer
