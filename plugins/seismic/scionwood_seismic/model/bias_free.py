"""A U-Net without biases and without normalisation layers, which the field networks share."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F


class BiasFreeUNet(nn.Module):
    """A residual U-Net whose output scales with its input: `f(a x) = a f(x)` for a > 0.

    Its only non-linearity is the ReLU. Weak and strong parts of a record are therefore treated
    alike, whatever gain the record has.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        widths: channels at each stride, from fine to coarse; the stride doubles at each step.
        card: entries for the model card.
    """

    def __init__(
        self, inputs: int, outputs: int, widths: tuple[int, ...], card: Mapping[str, str]
    ) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.stem = nn.Conv2d(inputs, widths[0], 3, padding=1, bias=False)
        self.down = nn.ModuleList(_Block(channels) for channels in widths)
        self.shrink = nn.ModuleList(nn.Conv2d(i, o, 2, 2, bias=False) for i, o in pairs)
        self.grow = nn.ModuleList(nn.Conv2d(o, i, 1, bias=False) for i, o in pairs)
        self.up = nn.ModuleList(_Block(channels) for channels in widths[:-1])
        self.out = nn.Conv2d(widths[0], outputs, 3, padding=1, bias=False)
        nn.init.normal_(self.out.weight, std=0.01)
        self.adapter_targets = {"conv": r"(down|up)\.\d+\.(first|second)"}
        self.head = ("out",)
        self.card = {
            "weights": "random, seeded",
            "licence": "none (random weights)",
            **card,
        }

    def features(self, x: Tensor, more: Tensor | None = None) -> Tensor:
        """Return the output channels.

        Args:
            x: (batch, inputs, height, width); the sizes are multiples of the coarsest stride.
            more: what is added to the features of the finest stride; None: nothing.

        Returns:
            (batch, outputs, height, width).
        """
        h = self.stem(x) if more is None else self.stem(x) + more
        skips = []
        for block, shrink in zip(self.down, [*self.shrink, None], strict=True):
            h = block(h)
            skips.append(h)
            h = h if shrink is None else shrink(h)
        for grow, block, skip in zip(
            reversed(self.grow), reversed(self.up), skips[-2::-1], strict=True
        ):
            h = block(F.interpolate(grow(h), scale_factor=2, mode="nearest") + skip)
        out: Tensor = self.out(h)
        return out


class _Block(nn.Module):
    """Two convolutions without bias and a residual connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(F.relu(self.first(F.relu(x))))
        return x + change
