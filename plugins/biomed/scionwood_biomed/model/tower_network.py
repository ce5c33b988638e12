"""What networks on a frozen vision tower share: the tower, its images, and names of classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scionwood import RecipeError
from scionwood_biomed.model.blocks import BlockTower
from scionwood_biomed.model.timm_tower import TimmTower


class TowerNetwork(nn.Module):
    """A vision tower that is frozen, unless it has an adapter.

    Attributes:
        size: side of an image in pixels.
        classes: names of the classes.
    """

    _mean: Tensor
    _std: Tensor

    def adopt(self, tower: TimmTower, classes: Sequence[str], fewest: int, remedy: str) -> None:
        """Take over a tower, and the names of the classes.

        Args:
            tower: the tower, the size of its images, and their mean and deviation.
            classes: names of the classes.
            fewest: the least number of classes.
            remedy: what to do if there are fewer.

        Raises:
            RecipeError: there are fewer classes, or a name occurs twice.
        """
        if len(classes) < fewest or len(set(classes)) < len(classes):
            rule = f"{fewest} or more different names are needed"
            raise RecipeError(f"backbone.classes {list(classes)}", rule, remedy)
        self.classes, self.size = list(classes), tower.size
        self.vision = BlockTower(tower.model.eval())
        mean, std = (torch.tensor(list(channel)).view(-1, 1, 1) for channel in tower.channels)
        self.register_buffer("_mean", mean, persistent=False)
        self.register_buffer("_std", std, persistent=False)
