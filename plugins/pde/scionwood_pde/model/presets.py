"""The published sizes of Tadpole, and one for CPUs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

STRIDE = 16
"""Voxels along each axis that one latent cell stands for."""

SizeName = Literal["tiny", "S", "B", "L"]


@final
@dataclass(frozen=True)
class Size:
    """The dimensions of one size; depths, windows (4^3) and ratios are those of all sizes.

    Attributes:
        hidden: channels at stride 4; they double at strides 8 and 16.
        features: channels of the convolutional part at strides 1 and 2.
        heads: of each attention.
        groups: of each GroupNorm.
        latent_width: channels of the network between encoder and decoder.
        latent_depth: its layers.
    """

    hidden: int
    features: tuple[int, int]
    heads: int
    groups: int
    latent_width: int
    latent_depth: int

    @property
    def latent_channels(self) -> int:
        """Channels of the latent of one field."""
        return 4 * self.hidden


SIZES: Mapping[SizeName, Size] = {
    "tiny": Size(32, (16, 16), heads=2, groups=8, latent_width=96, latent_depth=2),
    "S": Size(64, (32, 32), heads=4, groups=16, latent_width=144, latent_depth=4),
    "B": Size(128, (64, 128), heads=4, groups=32, latent_width=176, latent_depth=6),
    "L": Size(256, (128, 256), heads=8, groups=32, latent_width=224, latent_depth=8),
}
"""All sizes but `tiny` are those of the published weights."""
