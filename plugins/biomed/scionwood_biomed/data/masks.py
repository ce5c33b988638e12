"""Images with masks: slices of your volumes, or synthetic ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from scionwood import RecipeError, SplitData
from scionwood.authoring import DataFiles, DataLoader, Split, call_in_child
from scionwood_biomed.data.base import Augment, Transforms, augmenting
from scionwood_biomed.data.items import Item
from scionwood_biomed.data.splits import deal
from scionwood_biomed.data.tables import table_rows
from scionwood_biomed.data.volume_phantoms import volume_phantom
from scionwood_biomed.readers.masks import Masked, read_masked
from scionwood_deid import Window

COLUMNS = ("path", "mask", "subject")


class MaskData(SplitData):
    """Slices with masks, split so that each subject is in one split only.

    Args:
        size: side of the square that the network sees; slices are cut or padded to it.
        batch_size: slices per batch.
        seed: seed of the splits.
        transforms: random transforms of MONAI for the training split; see `base.augmenting`.
    """

    def __init__(
        self, *, size: int, batch_size: int, seed: int, transforms: Transforms = None
    ) -> None:
        super().__init__()
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.augment = augmenting(transforms)

    @abstractmethod
    def items(self) -> list[Item]:
        """Return every slice."""

    @abstractmethod
    def pair(self, item: Item) -> tuple[np.ndarray, np.ndarray]:
        """Return a slice (row, column) from 0 to 1, and its mask (row, column)."""

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; see `SplitData.loader`."""
        items = deal(self.items(), seed=self.seed)[split]
        augment = self.augment if split == "train" else None
        return DataLoader(_Pairs(self, items, augment), self.batch_size, split == "train")


@final
class MaskPhantoms(MaskData):
    """Synthetic slices with one lesion, and its mask; they need no file.

    Shapes: a batch holds `image` (batch, 3, size, size) float32 and `mask` (batch, size, size)
        int64: 1 is the lesion.

    Units: image from 0 to 1.

    Source: this project's own model; see `biomed/volume_phantoms`.

    Args:
        subjects: number of volumes.
        slices: slices of a volume.
        size: side of a slice in pixels.
        batch_size: slices per batch.
        seed: seed of the volumes and of the splits.
        transforms: random transforms of MONAI for the training split (extra `monai`), such as
            `[{RandFlipd: {prob: 0.5, spatial_axis: 1}}]`; those of space and of intensity.
    """

    def __init__(
        self,
        *,
        subjects: int = 40,
        slices: int = 4,
        size: int = 64,
        batch_size: int = 8,
        seed: int = 0,
        transforms: Transforms = None,
    ) -> None:
        super().__init__(size=size, batch_size=batch_size, seed=seed, transforms=transforms)
        self.subjects, self.slices = subjects, slices

    def items(self) -> list[Item]:
        """Return every slice."""
        return [
            Item(Path(f"volume{n:04d}"), "lesion", f"{n:04d}", None, at)
            for n in range(self.subjects)
            for at in range(self.slices)
        ]

    def pair(self, item: Item) -> tuple[np.ndarray, np.ndarray]:
        """Return a slice and its mask."""
        rng = np.random.default_rng((self.seed, int(item.subject)))
        volume, mask = volume_phantom(rng, self.slices, sick=True)
        return volume[item.part or 0], mask[item.part or 0]


@final
class Masks(MaskData):
    """Slices of your volumes with their masks.

    A row of the table names a NIfTI volume and a NIfTI mask on the same grid, or the folder of a
    DICOM series and a DICOM SEG of it (extra `monai`). The value n of a mask is the nth class.

    Shapes: a batch holds `image` (batch, 3, size, size) float32 and `mask` (batch, size, size)
        int64: 0 is background.

    Units: image from 0 to 1; CT is shown in the chosen window.

    Raises:
        RecipeError: no source is given, or a row lacks a value.
        ReadError: a file is missing or damaged, a mask has another grid, or a value of a mask
            names no class.

    Source: splits by subject; see `splits.split_by_subject`.

    Args:
        source: a table `.csv` with the columns path, mask, subject and optionally split.
        classes: names of the classes without background.
        window: CT window; see `scionwood_deid.Window`.
        every: take each nth slice of a volume, from the first one.
        root: a folder in which files may lie, beside the folder of the table.
        size: side of the square that the network sees; slices are cut or padded to it.
        batch_size: slices per batch.
        seed: seed of the splits.
        transforms: random transforms of MONAI for the training split (extra `monai`), such as
            `[{RandFlipd: {prob: 0.5, spatial_axis: 1}}]`; those of space and of intensity.
    """

    data_files: DataFiles

    def __init__(
        self,
        *,
        source: str | Path | None = None,
        classes: list[str] | None = None,
        window: Window = "file",
        every: int = 1,
        root: str | Path | None = None,
        size: int = 64,
        batch_size: int = 8,
        seed: int = 0,
        transforms: Transforms = None,
    ) -> None:
        super().__init__(size=size, batch_size=batch_size, seed=seed, transforms=transforms)
        self.data_files = DataFiles("raise", [path for path in (source, root) if path])
        self.source, self.window, self.every, self.root = source, window, every, root
        self.classes = classes or ["lesion"]
        self._rows: dict[Path, Path] = {}
        self._items: list[Item] = []
        self._read = lru_cache(maxsize=4)(self._volume)

    def items(self) -> list[Item]:
        """Return every slice of every row; the table is read once."""
        if self.source is None:
            rule = "it must name a table of volumes and masks"
            raise RecipeError("data.source null", rule, "Give it, or use biomed/mask_phantoms")
        if not self._items:
            source = Path(self.source)
            root = "" if self.root is None else str(self.root)
            for path, mask, subject, split in call_in_child(rows_of, source, root):
                self._rows[path] = mask
                count = len(self._read(path).mask)
                self._items += [
                    Item(path, "slice", subject, split, at) for at in range(0, count, self.every)
                ]
        return self._items

    def setup(self, stage: str) -> None:
        """Read the table and its volumes, so that errors appear before training."""
        self.items()

    def pair(self, item: Item) -> tuple[np.ndarray, np.ndarray]:
        """Return a slice and its mask."""
        volume, at = self._read(item.path), item.part or 0
        return volume.picture[at], volume.mask[at]

    def _volume(self, path: Path) -> Masked:
        with self.data_files.one_child(path):
            return read_masked(
                path, self._rows[path], window=self.window, classes=len(self.classes)
            )


def rows_of(source: Path, root: str) -> Iterator[tuple[Path, Path, str, str | None]]:
    """Yield path, mask, subject and split of each row of a table; see `tables.table_rows`."""
    for row in table_rows(source, root, COLUMNS, COLUMNS[:2]):
        yield Path(row["path"]), Path(row["mask"]), row["subject"], row["split"] or None


@final
class _Pairs(Dataset[dict[str, Tensor]]):
    def __init__(self, data: MaskData, items: list[Item], augment: Augment | None) -> None:
        self.data, self.items, self.augment = data, items, augment

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        picture, mask = self.data.pair(self.items[index])
        size = self.data.size
        image = torch.from_numpy(_cut(picture, size).astype(np.float32))
        labels = torch.from_numpy(_cut(mask, size).astype(np.int64))
        pair = {"image": image[None].expand(3, -1, -1).contiguous(), "mask": labels}
        return pair if self.augment is None else self.augment(pair)


def _cut(values: np.ndarray, size: int) -> np.ndarray:
    """Cut or pad (row, column) to a centred square, with zeros outside."""
    out = np.zeros((size, size), values.dtype)
    rows, columns = (min(have, size) for have in values.shape)
    top, left = ((have - size) // 2 for have in values.shape)
    put = slice(max(-top, 0), max(-top, 0) + rows), slice(max(-left, 0), max(-left, 0) + columns)
    take = slice(max(top, 0), max(top, 0) + rows), slice(max(left, 0), max(left, 0) + columns)
    out[put] = values[take]
    return out
