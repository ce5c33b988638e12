"""The published sizes of Tadpole, and a small one for CPUs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

STRIDE = 16
"""Number of voxels along each axis for one latent cell."""

SizeName = Literal["tiny", "S", "B", "L"]


@final
@dataclass(frozen=True)
class Size:
    """The dimensions of one size; all sizes share depths, windows (4^3) and ratios.

    Attributes:
        hidden: number of channels at stride 4; it doubles at strides 8 and 16.
        features: numbers of channels of the convolutional part at strides 1 and 2.
        heads: number of heads of each attention.
        groups: number of groups of each GroupNorm.
        latent_width: number of channels of the network between encoder and decoder.
        latent_depth: number of layers of that network.
    """

    hidden: int
    features: tuple[int, int]
    heads: int
    groups: int
    latent_width: int
    latent_depth: int

    @property
    def latent_channels(self) -> int:
        """Number of latent channels of one field."""
        return 4 * self.hidden


SIZES: Mapping[SizeName, Size] = {
    "tiny": Size(32, (16, 16), heads=2, groups=8, latent_width=96, latent_depth=2),
    "S": Size(64, (32, 32), heads=4, groups=16, latent_width=144, latent_depth=4),
    "B": Size(128, (64, 128), heads=4, groups=32, latent_width=176, latent_depth=6),
    "L": Size(256, (128, 256), heads=8, groups=32, latent_width=224, latent_depth=8),
}
"""All sizes by name; weights are published for all except `tiny`."""
