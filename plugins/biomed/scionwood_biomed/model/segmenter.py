"""A frozen vision tower with a light decoder that labels each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood_biomed.model.blocks import cells_of, class_tokens
from scionwood_biomed.model.timm_tower import TimmTower
from scionwood_biomed.model.tower_network import TowerNetwork

STEM = 16


@final
class Decoder(nn.Module):
    """Maps of some blocks, brought to the size of the image, beside a shallow view of the image.

    Args:
        widths: channels of the maps.
        width: channels of the decoder.
        classes: number of classes, background included.
    """

    def __init__(self, widths: Sequence[int], width: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(_unit(3, STEM), _unit(STEM, STEM))
        self.narrow = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in widths)
        self.mix = _unit(width * len(widths) + STEM, width)
        self.out = nn.Conv2d(width, classes, 1)

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Map an image (batch, 3, row, column) and maps to logits (batch, class, row, column)."""
        parts = [self.stem(image)]
        for values, layer in zip(maps, self.narrow, strict=True):
            small = layer(values)
            parts.append(F.interpolate(small, image.shape[-2:], mode="bilinear"))
        logits: Tensor = self.out(self.mix(torch.cat(parts, 1)))
        return logits


@final
class Segmenter(TowerNetwork):
    """A vision tower with a light decoder; the tower is frozen, unless it has an adapter.

    Args:
        tower: a vision tower of open_clip or timm, and its images.
        classes: names of the classes without background.
        width: channels of the decoder.
        card: entries for the adapter card.
        init_seed: seed of the decoder.

    Raises:
        RecipeError: there is no class, or a name occurs twice.
    """

    head = ("decoder",)

    def __init__(
        self,
        tower: TimmTower,
        classes: Sequence[str],
        width: int,
        card: dict[str, str],
        init_seed: int,
    ) -> None:
        super().__init__()
        self.adopt(tower, classes, 1, "Name those of your masks")
        self.card = card
        with torch.no_grad():
            maps = self.vision.maps(torch.zeros(1, 3, self.size, self.size))
        self.at = sorted({len(maps) // 3, 2 * len(maps) // 3, len(maps) - 1})
        widths = [grid(maps[at], class_tokens(tower.model)).shape[1] for at in self.at]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(init_seed)
            self.decoder = Decoder(widths, width, len(classes) + 1)
        names = [
            name
            for name, module in self.named_modules()
            if name.startswith("vision.") and name.endswith((".qkv", ".mix"))
            if isinstance(module, nn.Linear)
        ]
        self.adapter_targets = {"vision": "|".join(names).replace(".", r"\.")} if names else {}

    def forward(self, image: Tensor) -> Tensor:
        """Map images (batch, 3, size, size) from 0 to 1 to logits (batch, class, row, column)."""
        normalised = (image - self._mean) / self._std
        maps, classes = self.vision.maps(normalised), class_tokens(self.vision.tower)
        logits: Tensor = self.decoder(normalised, [grid(maps[at], classes) for at in self.at])
        return logits

    def example_input(self) -> tuple[Tensor, ...]:
        """Return two noise images."""
        return (torch.rand(2, 3, self.size, self.size),)


def grid(values: Tensor, classes: int) -> Tensor:
    """Return tokens or a map as (batch, channel, row, column).

    Args:
        values: a map, or tokens (batch, token, channel) of a square grid.
        classes: the number of tokens before those of the image.
    """
    if values.ndim == 4:
        return values
    cells = cells_of(values, classes).transpose(1, 2)
    side = round(cells.shape[-1] ** 0.5)
    return cells.reshape(*cells.shape[:-1], side, side)


def _unit(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(4, after), nn.ReLU())
