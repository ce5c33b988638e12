"""Images with a class in three splits by subject, and few shots of each class to train on."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, final

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from scionwood import DataLoader, RecipeError
from scionwood_biomed.data.items import Item, labels, read_items
from scionwood_biomed.data.phantoms import phantom, phantom_items
from scionwood_biomed.data.splits import base_and_novel, deal, digest_of_file, shots
from scionwood_biomed.readers.archives import Archives
from scionwood_biomed.readers.display import Window
from scionwood_biomed.readers.opening import read_picture

Side = Literal["all", "base", "novel"]


class ImageData(L.LightningDataModule, ABC):
    """Images with a class; no subject is in two splits.

    Args:
        shots: K, training images of each class; null for all of them.
        classes: all, or one side of base to novel.
        size: pixels a side, those of the backbone.
        batch_size: images a batch.
        seed: of the splits and the shots.
    """

    def __init__(
        self,
        *,
        shots: int | None = 16,
        classes: Side = "all",
        size: int = 224,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shots, self.side, self.size = shots, classes, size
        self.batch_size, self.seed = batch_size, seed
        self._splits: dict[str, list[Item]] = {}

    @abstractmethod
    def items(self) -> list[Item]:
        """Every image."""

    @abstractmethod
    def picture(self, item: Item) -> np.ndarray:
        """(row, column, 3) float32, 0 to 1, of any size."""

    def splits(self) -> dict[str, list[Item]]:
        """The images by split, as the source gives it or by subject; of training, the shots."""
        if not self._splits:
            found = deal(self._chosen(), seed=self.seed)
            if self.shots is not None:
                found["train"] = shots(found["train"], self.shots, seed=self.seed)
            self._splits = found
        return self._splits

    def names(self) -> list[str]:
        """The classes, whose places are their numbers."""
        return labels(self._chosen())

    def tensor(self, item: Item) -> Tensor:
        """(3, size, size) float32, 0 to 1: the picture, resized to the shorter side and cropped."""
        return fitted(self.picture(item), self.size)

    def digest(self, item: Item) -> bytes:
        """What equal images have in common: a hash of the file, or of one picture among many."""
        if item.part is None:
            return digest_of_file(item)
        return hashlib.blake2b(self.picture(item).tobytes(), digest_size=16).digest()

    def train_dataloader(self) -> DataLoader:
        """Batches of the shots, in another order each epoch."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """Batches of the validation split."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader:
        """Batches of the test split."""
        return self._loader("test")

    def _chosen(self) -> list[Item]:
        found = self.items()
        if self.side == "all":
            return found
        base, novel = base_and_novel(labels(found))
        wanted = base if self.side == "base" else novel
        return [item for item in found if item.label in wanted]

    def _loader(self, split: str, *, shuffle: bool = False) -> DataLoader:
        names = self.names()
        dataset = _Pictures(self, self.splits()[split], names)
        return DataLoader(dataset, self.batch_size, shuffle, collate_fn=Collate(names))


@final
class Phantoms(ImageData):
    """Made-up CT slices of livers: four classes, any number of subjects, no file.

    Shapes: a batch holds `image` (batch, 3, size, size) float32, `label` (batch,) int64 and
        `classes`, their names.

    Units: image 0 to 1, of a soft-tissue window (-160 to 240 HU).

    Source: ellipses with the attenuation of tissues in the portal-venous phase, and noise with the
        spectrum of filtered back-projection; this project's.

    Args:
        subjects: of all classes together.
        images: slices of each subject.
        shots: K, training images of each class; null for all of them.
        classes: all, or one side of base to novel.
        size: pixels a side, those of the backbone.
        batch_size: images a batch.
        seed: of the subjects, the splits and the shots.
    """

    def __init__(
        self,
        *,
        subjects: int = 80,
        images: int = 2,
        shots: int | None = 16,
        classes: Side = "all",
        size: int = 64,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__(shots=shots, classes=classes, size=size, batch_size=batch_size, seed=seed)
        self.subjects, self.images = subjects, images

    def items(self) -> list[Item]:
        """Every slice."""
        return phantom_items(self.subjects, self.images)

    def picture(self, item: Item) -> np.ndarray:
        """See `phantoms.phantom`."""
        return phantom(item, self.seed)


@final
class Images(ImageData):
    """Your images: a table, a folder with a folder a class, whole slides, MedMNIST, or shards.

    Shapes: as `Phantoms`.

    Units: as `Phantoms`; of CT the window that is asked for.

    Raises:
        RecipeError: no source is given, an image has no subject, a label has no name, or a class
            has too few.
        ReadError: a file is missing, damaged, hostile or too large.

    Source: the protocol of few-shot adaptation by subject; see `splits.split_by_subject`.

    Args:
        source: a table `.csv`, a folder, a MedMNIST archive `.npz`, a shard `.tar`, or a folder of
            shards.
        subject: of folders, an expression with one group that finds the subject in a path, of
            shards in a sample's name; DICOM needs none. `unknown` takes MedMNIST's own splits,
            since it does not say whose image one is.
        window: of CT, see `readers.display`.
        class_names: the classes in the order of their numbers, where a file has numbers only.
        slices: of three-dimensional MedMNIST: the one in the middle, or all.
        mpp: of whole slides, micrometres a pixel of a tile.
        tiles: the most tiles of a slide, at even distances among those with tissue; null for all.
        shots: K, training images of each class; null for all of them.
        classes: all, or one side of base to novel.
        size: pixels a side, those of the backbone.
        batch_size: images a batch.
        seed: of the splits and the shots.
    """

    def __init__(
        self,
        *,
        source: str | Path | None = None,
        subject: str | None = None,
        window: Window = "file",
        class_names: list[str] | None = None,
        slices: Literal["middle", "all"] = "middle",
        mpp: float = 0.5,
        tiles: int | None = 64,
        shots: int | None = 16,
        classes: Side = "all",
        size: int = 224,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__(shots=shots, classes=classes, size=size, batch_size=batch_size, seed=seed)
        self.source, self.subject, self.window = source, subject, window
        self._archives = Archives(
            class_names=class_names, slices=slices, mpp=mpp, tiles=tiles, size=size
        )
        self._items: list[Item] = []

    def items(self) -> list[Item]:
        """Every image of the source, listed once."""
        if self.source is None:
            rule = "a table or a folder of images"
            raise RecipeError("data.source null", rule, "Give it, or use the data biomed/phantoms")
        if not self._items:
            self._items = read_items(
                Path(self.source), subject=self.subject, archives=self._archives
            )
        return self._items

    def picture(self, item: Item) -> np.ndarray:
        """See `readers.opening.read_picture`, and `archives` for files with many pictures."""
        if item.part is not None:
            return self._archives.picture(item.path, item.part)
        return read_picture(item.path, window=self.window)


@final
class Collate:
    """Joins images to a batch: `image`, `label`, and `classes`, the names.

    Args:
        classes: the names.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)

    def __call__(self, pairs: Sequence[tuple[Tensor, int]]) -> dict[str, Any]:
        """A batch of (3, size, size) images and their numbers."""
        images, numbers = zip(*pairs, strict=True)
        return {
            "image": torch.stack(images),
            "label": torch.tensor(numbers),
            "classes": self.classes,
        }


def fitted(picture: np.ndarray, size: int) -> Tensor:
    """A picture as a square tensor: its shorter side is resized to `size`, its middle kept.

    Args:
        picture: (row, column, 3) float32, 0 to 1.
        size: pixels a side.

    Returns:
        (3, size, size) float32, 0 to 1.
    """
    image = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
    rows, columns = image.shape[-2:]
    scale = size / min(rows, columns)
    shape = [max(size, round(rows * scale)), max(size, round(columns * scale))]
    if shape != [rows, columns]:
        image = F.interpolate(image, shape, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (shape[0] - size) // 2, (shape[1] - size) // 2
    return image[0, :, top : top + size, left : left + size].contiguous()


@final
class _Pictures(Dataset[tuple[Tensor, int]]):
    def __init__(self, data: ImageData, items: list[Item], names: list[str]) -> None:
        self.data, self.items = data, items
        self.numbers = {name: number for number, name in enumerate(names)}

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        item = self.items[index]
        return self.data.tensor(item), self.numbers[item.label]
