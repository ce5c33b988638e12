"""What every data component of this plugin shares: few shots per class, three splits by subject."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from scionwood import SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_biomed.data.items import Item, labels
from scionwood_biomed.data.splits import base_and_novel, deal, shots

Side = Literal["all", "base", "novel"]
Transforms = list[dict[str, dict[str, Any]]] | None
"""Random transforms of MONAI, as a recipe names them."""
Augment = Callable[[dict[str, Tensor]], dict[str, Tensor]]
"""Maps `image` and `mask` to transformed ones."""


def augmenting(transforms: Transforms) -> Augment | None:
    """Return the transforms of MONAI by name, or `None` without any.

    Args:
        transforms: see `monai.transforms.Augmentation`.

    Raises:
        RecipeError: MONAI is not installed, a name is no such transform, or it refuses an option.
    """
    if not transforms:
        return None
    from scionwood_biomed.monai.transforms import Augmentation

    return Augmentation(transforms)


class ImageData(SplitData):
    """Images of several classes, split so that each subject is in one split only.

    Args:
        shots: K, the number of training images per class; `None` means all of them.
        classes: all classes, or only the base or the novel ones of a base-to-novel experiment.
        size: side of an image in pixels; it must be the size that the backbone takes.
        batch_size: images per batch.
        seed: seed of the splits and of the shots.
        transforms: random transforms of MONAI for the training split; see `augmenting`.
    """

    def __init__(
        self,
        *,
        shots: int | None = 16,
        classes: Side = "all",
        size: int = 224,
        batch_size: int = 16,
        seed: int = 0,
        transforms: Transforms = None,
    ) -> None:
        super().__init__()
        self.augment = augmenting(transforms)
        self.findings: list[str] = []
        self.shots, self.side, self.size = shots, classes, size
        self.batch_size, self.seed = batch_size, seed
        self._splits: dict[str, list[Item]] = {}

    @abstractmethod
    def items(self) -> list[Item]:
        """Return every image of the data set."""

    @abstractmethod
    def picture(self, item: Item) -> np.ndarray:
        """Return the pixels of an image: (row, column, 3) float32 from 0 to 1, of any size."""

    def splits(self) -> dict[str, list[Item]]:
        """Return the images of `train`, `val` and `test`; `train` holds the shots only."""
        if not self._splits:
            splits = deal(self._chosen(), seed=self.seed)
            if self.shots is not None:
                splits["train"] = shots(splits["train"], self.shots, seed=self.seed)
            self._splits = splits
        return self._splits

    def names(self) -> list[str]:
        """Return the names of classes or findings; a name's index is its place in a label."""
        if self.findings:
            return self.findings
        return labels(self._chosen())

    def tensor(self, item: Item) -> Tensor:
        """Return the image as (3, size, size) float32 from 0 to 1, resized and centre-cropped."""
        return fitted(self.picture(item), self.size)

    def digest(self, item: Item) -> bytes:
        """Return a hash of the pixels, which equal images share."""
        return hashlib.blake2b(self.picture(item).tobytes(), digest_size=16).digest()

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; see `SplitData.loader`."""
        names = self.names()
        augment = self.augment if split == "train" else None
        dataset = _Pictures(self, self.splits()[split], names, augment)
        return DataLoader(dataset, self.batch_size, split == "train", collate_fn=Collate(names))

    def _chosen(self) -> list[Item]:
        items = self.items()
        if self.side == "all":
            return items
        base, novel = base_and_novel(labels(items))
        side_labels = base if self.side == "base" else novel
        return [item for item in items if item.label in side_labels]


@final
class Collate:
    """A collate function for batches with the keys `image`, `label` and `classes`.

    Args:
        classes: the class names.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)

    def __call__(self, pairs: Sequence[tuple[Tensor, Any]]) -> dict[str, Any]:
        """Return a batch of (3, size, size) images with their labels."""
        images, numbers = zip(*pairs, strict=True)
        return {
            "image": torch.stack(images),
            "label": torch.tensor(numbers),
            "classes": self.classes,
        }


def fitted(picture: np.ndarray, size: int) -> Tensor:
    """Resize the shorter side of a picture to `size` and crop the centre square.

    Args:
        picture: (row, column, 3) float32, 0 to 1.
        size: side of the square in pixels.

    Returns:
        (3, size, size) float32, 0 to 1.
    """
    image = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
    rows, columns = image.shape[-2:]
    scale = size / min(rows, columns)
    # Rounding may leave the shorter side one pixel short of the square.
    shape = [max(size, round(rows * scale)), max(size, round(columns * scale))]
    if shape != [rows, columns]:
        # Cubic kernels overshoot at edges, out of the range of an image.
        image = F.interpolate(image, shape, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (shape[0] - size) // 2, (shape[1] - size) // 2
    return image[0, :, top : top + size, left : left + size].contiguous()


@final
class _Pictures(Dataset[tuple[Tensor, Any]]):
    def __init__(
        self, data: ImageData, items: list[Item], names: list[str], augment: Augment | None
    ) -> None:
        self.data, self.items, self.augment = data, items, augment
        self.numbers = {name: number for number, name in enumerate(names)}

    def __len__(self) -> int:
        return len(self.items)

    def name_of(self, index: int) -> str:
        """Return the name of an example: its file, and the part of a file that holds many."""
        item = self.items[index]
        return item.path.name if item.part is None else f"{item.path.name}:{item.part}"

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        item = self.items[index]
        image = self.data.tensor(item)
        if self.augment is not None:
            image = self.augment({"image": image})["image"]
        if item.findings:
            return image, [float("nan") if value is None else value for value in item.findings]
        return image, self.numbers[item.label]
