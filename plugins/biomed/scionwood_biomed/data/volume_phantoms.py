"""Synthetic volumes with a lesion in some slices, of a grey that healthy tissue has; no file."""

from __future__ import annotations

from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from scionwood_biomed.data.base import ImageData, fitted
from scionwood_biomed.data.items import Item

NAMES = ("no lesion", "lesion")
PIXELS = 64


@final
class VolumePhantoms(ImageData):
    """Synthetic volumes: half of them have a lesion of about three slices, anywhere.

    The lesion has a grey that healthy tissue has too, so that brightness alone does not tell.

    Shapes: a batch holds `image` (batch, slice, 3, size, size) float32, `label` (batch,) int64 and
        `classes`, the class names.

    Units: image from 0 to 1.

    Source: this project's own model: two smooth tissues in an ellipsoid, and noise.

    Args:
        subjects: number of volumes.
        slices: slices of a volume.
        lesions: whether the volumes of the class `lesion` have one; false is a sham.
        shots: K, the number of training volumes per class; `None` means all of them.
        size: side of a slice in pixels; it must be the size that the backbone takes.
        batch_size: volumes per batch.
        seed: seed of the volumes, of the splits and of the shots.
    """

    def __init__(
        self,
        *,
        subjects: int = 60,
        slices: int = 8,
        lesions: bool = True,
        shots: int | None = None,
        size: int = 64,
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__(shots=shots, size=size, batch_size=batch_size, seed=seed)
        self.subjects, self.slices, self.lesions = subjects, slices, lesions

    def items(self) -> list[Item]:
        """Return every volume."""
        numbers = range(self.subjects)
        return [Item(Path(f"volume{n:04d}"), NAMES[n % 2], f"{n:04d}") for n in numbers]

    def picture(self, item: Item) -> np.ndarray:
        """Return the middle slice."""
        middle = self._volume(item)[self.slices // 2]
        return np.repeat(middle[..., None], 3, -1)

    def tensor(self, item: Item) -> Tensor:
        """Return the slices as (slice, 3, size, size) float32 from 0 to 1."""
        volume = np.repeat(self._volume(item)[..., None], 3, -1)
        return torch.stack([fitted(picture, self.size) for picture in volume])

    def _volume(self, item: Item) -> np.ndarray:
        rng = np.random.default_rng((self.seed, int(item.subject)))
        sick = self.lesions and item.label == NAMES[1]
        return volume_phantom(rng, self.slices, sick=sick)[0]


def volume_phantom(
    rng: np.random.Generator, slices: int, *, sick: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one volume and the mask of its lesion.

    Args:
        rng: the source of all random numbers.
        slices: number of slices.
        sick: whether it has a lesion.

    Returns:
        (slice, 64, 64) float32 from 0 to 1, and (slice, 64, 64) uint8: 1 is the lesion.
    """
    z, y, x = np.meshgrid(
        np.linspace(-0.8, 0.8, slices), *(np.linspace(-1, 1, PIXELS),) * 2, indexing="ij"
    )
    axes = 0.85 + rng.uniform(-0.05, 0.05, 3)
    inside = (x / axes[0]) ** 2 + (y / axes[1]) ** 2 + 0.5 * (z / axes[2]) ** 2 < 1
    rings = np.sin(9 * np.hypot(x, 1.2 * y) + 1.5 * z + rng.uniform(-0.3, 0.3))
    values = np.where(inside, 0.55 + 0.15 * np.tanh(4 * rings), 0.05)
    at = [rng.uniform(-0.7, 0.7), *rng.uniform(-0.45, 0.45, 2)]
    radius = rng.uniform(0.14, 0.2)
    # 12: the lesion falls to one half at 0.24 along z, one step of eight slices; three show it.
    blob = np.exp(-(((x - at[1]) ** 2 + (y - at[2]) ** 2) / radius**2 + 12 * (z - at[0]) ** 2))
    if sick:
        # 0.62 is between the greys of healthy tissue, 0.4 and 0.7.
        values = np.where(inside, values * (1 - blob) + 0.62 * blob, values)
    values = values * rng.uniform(0.9, 1.1) + rng.normal(0, 0.02, values.shape)
    mask = (inside & (blob > 0.5)).astype(np.uint8) * sick
    return np.clip(values, 0, 1).astype(np.float32), mask.astype(np.uint8)
