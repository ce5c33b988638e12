"""Features of every block of a frozen vision tower, pooled over the positions of an image."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from scionwood import AdapterError

LISTS = ("blocks", "resblocks", "stages")
"""Names under which towers of timm and open_clip hold their blocks."""
LAYERS = ("layer1", "layer2", "layer3", "layer4")
"""Names of the stages of a residual network."""


@final
class BlockTower(nn.Module):
    """A vision tower that returns the pooled output of each of its blocks.

    The output of a block is a map (batch, channel, row, column), that of a volume (batch, channel,
    slice, row, column), or tokens (batch, token, channel). It becomes the mean and the standard
    deviation over its positions, after its class token if it has one. The last layer of an
    EfficientNet, whose cells serve as tokens, counts as a block.

    Args:
        tower: the vision tower of open_clip or timm, which is used as it is.

    Raises:
        AdapterError: the tower has no list of blocks that is known.
    """

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower
        blocks(tower)

    def maps(self, image: Tensor) -> list[Tensor]:
        """Return the output of each block for normalised images (batch, 3, size, size).

        A tower of volumes takes (batch, 1, slice, size, size).
        """
        outputs: list[Tensor] = []

        def keep(_: nn.Module, __: Any, out: Any) -> None:
            outputs.append(out[0] if isinstance(out, tuple) else out)

        hooks = [block.register_forward_hook(keep) for block in blocks(self.tower)]
        try:
            self.tower(image)
        finally:
            for hook in hooks:
                hook.remove()
        return outputs

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return one (batch, width) for each block, not normalised."""
        classes = class_tokens(self.tower)
        return [pooled(feature_map, classes) for feature_map in self.maps(image)]

    def cells(self, image: Tensor, block: int = -1) -> Tensor:
        """Return the positions of one block as (batch, cell, channel), without class tokens."""
        return cells_of(self.maps(image)[block], class_tokens(self.tower))


def blocks(tower: nn.Module) -> list[nn.Module]:
    """Return the blocks of a vision tower in their order.

    Args:
        tower: a vision tower of open_clip or timm.

    Raises:
        AdapterError: no list of blocks is known.
    """
    mix = [tower.get_submodule("act")] if hasattr(tower, "mix") else []
    for name, module in tower.named_modules():
        last = name.rpartition(".")[2]
        if isinstance(module, nn.ModuleList | nn.Sequential) and len(module) > 1 and last in LISTS:
            return [*module, *mix]
        if all(hasattr(module, name) for name in LAYERS):
            return [module.get_submodule(name) for name in LAYERS]
    if mix:  # CellTower keeps stem, norm and blocks without names
        return [*tower.get_submodule("trunk.2").children(), *mix]
    known_names = ", ".join((*LISTS, *LAYERS))
    rule = f"it has no list of blocks by a known name ({known_names})"
    raise AdapterError(type(tower).__name__, rule, "Use a tower of timm or open_clip")


def after(tower: nn.Module, last: int) -> set[nn.Module]:
    """Return the modules that only serve blocks after the block `last`.

    Args:
        tower: a vision tower of open_clip or timm.
        last: the index of a block, from 0.

    Raises:
        AdapterError: no list of blocks is known.
    """
    all_blocks = blocks(tower)
    later = {module for block in all_blocks[last + 1 :] for module in block.modules()}
    if hasattr(tower, "mix") and last < len(all_blocks) - 1:
        later |= set(tower.get_submodule("mix").modules())  # it feeds the last block
    return later - {module for block in all_blocks[: last + 1] for module in block.modules()}


def class_tokens(tower: nn.Module) -> int:
    """Return how many tokens before those of the image a tower has."""
    for module in tower.modules():
        count = getattr(module, "num_prefix_tokens", None)
        if isinstance(count, int):
            return count
        if isinstance(getattr(module, "class_embedding", None), nn.Parameter):
            return 1
    return 0


def pooled(values: Tensor, classes: int) -> Tensor:
    """Return (batch, width): class token if any, mean and standard deviation over positions.

    Args:
        values: a map (batch, channel, row, column), that of a volume (batch, channel, slice, row,
            column), or tokens (batch, token, channel).
        classes: the number of tokens before those of the image.
    """
    cells = cells_of(values, classes)
    # The square root has no finite gradient at 0, where all cells are equal.
    parts = [cells.mean(1), (cells.var(1, correction=0) + 1e-12).sqrt()]
    if values.ndim == 3 and classes:
        parts.insert(0, values[:, 0])
    return torch.cat(parts, 1)


def cells_of(values: Tensor, classes: int) -> Tensor:
    """Return (batch, cell, channel) of a map or of tokens, without class tokens."""
    return values.flatten(2).transpose(1, 2) if values.ndim > 3 else values[:, classes:]
