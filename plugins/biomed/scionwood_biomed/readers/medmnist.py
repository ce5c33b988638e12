"""MedMNIST archives: pictures and volumes with a class and a split, without subjects."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal, final

import numpy as np

from scionwood import Reader, ReadError, Record, WriteError, atomic_path
from scionwood_biomed.readers.bounds import LARGEST, reading
from scionwood_biomed.readers.npz import Declared, declared, read_array, write_changed

SPLITS = ("train", "val", "test")


@final
class MedMnistReader(Reader):
    """Read the pictures of a MedMNIST archive, or slices of its volumes, split after split.

    An archive holds `train_images`, `train_labels` and the same for val and test. It does not say
    whose image one is. Images of a split stay in memory as they are stored, once one was asked for.

    Args:
        path: the file.
        slices: of volumes: the one in the middle of the first axis, or all.
        largest: the most bytes that all its images may take in memory.

    Attributes:
        labels: (record,) int64, the class of each record.
        splits: (record,), the split of each: `train`, `val` or `test`.

    Shapes: (row, column, channel) float32; one channel, or three.

    Units: 0 black to 1 white.

    Raises:
        ReadError: no such archive, damaged, too large, with pickles, of other values than bytes, or
            with several labels an image (ChestMNIST).

    Source: Yang et al. 2023, doi:10.1038/s41597-022-01721-8; https://medmnist.com
    """

    suffixes: ClassVar[tuple[str, ...]] = (".npz",)
    dims = ("row", "column", "channel")
    units: Mapping[str, str] = {"row": "1", "column": "1", "channel": "1", "data": "1"}

    def __init__(
        self, path: Path, *, slices: Literal["middle", "all"] = "middle", largest: int = LARGEST
    ) -> None:
        self.path, self.slices = Path(path), slices
        self._images: dict[str, np.ndarray] = {}
        with reading(self.path, "MedMNIST (.npz)"):
            found = declared(self.path)
            self._shapes = {split: self._shape(found, split) for split in SPLITS}
            needed = sum(found[f"{split}_images"].nbytes for split in SPLITS)
            if needed > largest:
                rule = f"MedMNIST: its images take {needed:,} bytes, more than `largest`"
                raise ReadError(str(path), rule, "Raise `largest`, or write shards")
            labels = {split: self._labels(found, split) for split in SPLITS}
        each = {split: self._slices(split) for split in SPLITS}
        self.labels = np.concatenate([labels[s].repeat(each[s]) for s in SPLITS])
        sizes = [len(labels[s]) * each[s] for s in SPLITS]
        self.splits = [s for s, size in zip(SPLITS, sizes, strict=True) for _ in range(size)]
        self._ends = list(itertools.accumulate(sizes))

    def __len__(self) -> int:
        return len(self.splits)

    def __iter__(self) -> Iterator[Record]:
        for index in range(len(self)):
            yield self.read(index)

    def read(self, index: int) -> Record:
        """The record of that index, from 0.

        Raises:
            ReadError: the images of its split are damaged.
        """
        split, image, at = self._place(index)
        key: dict[str, int | str] = {"split": split, "image": image}
        key["label"] = int(self.labels[index])
        values = self._stored(split)[image]
        if len(self._shapes[split]) == 4 and self._shapes[split][3] != 3:
            key["slice"], values = at, values[at]
        data = values.astype(np.float32) / 255
        return Record(key, data if data.ndim == 3 else data[..., None])

    def image(self, index: int) -> int:
        """The image or volume in its split that a record is of."""
        return self._place(index)[1]

    def rewrite(
        self, target: Path, function: Callable[[Record], np.ndarray], *, overwrite: bool = False
    ) -> None:
        """Write the archive with other pictures, rounded to bytes; labels and names stay.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the shape changed, or the disk is full.
        """
        changed: dict[str, np.ndarray] = {}
        for index, record in enumerate(self):
            after = np.asarray(function(Record(record.key, record.data.copy())))
            if after.shape != record.data.shape:
                rule = f"the data came back as {after.shape}, it was {record.data.shape}"
                raise WriteError(str(self.path), rule, "A function must keep the shape")
            if (after == record.data).all():
                continue
            split, image, at = self._place(index)
            name = f"{split}_images"
            into = changed.setdefault(name, self._stored(split).copy())[image]
            into = into[at] if "slice" in record.key else into
            into[...] = np.rint(after.clip(0, 1) * 255).reshape(into.shape)
        with atomic_path(Path(target), overwrite=overwrite) as part:
            if changed:
                write_changed(self.path, part, changed)
            else:
                part.write_bytes(self.path.read_bytes())

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write twelve colour pictures of 8 x 8 in three classes, four a split."""
        rng = np.random.default_rng(0)
        arrays: dict[str, np.ndarray] = {}
        for split in SPLITS:
            arrays[f"{split}_images"] = rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
            arrays[f"{split}_labels"] = np.array([[0], [1], [2], [0]], dtype=np.uint8)
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    def _shape(self, found: dict[str, Declared], split: str) -> tuple[int, ...]:
        missing = {f"{split}_images", f"{split}_labels"} - found.keys()
        if missing:
            rule = f"MedMNIST: it has no array {', '.join(sorted(missing))}"
            raise ReadError(str(self.path), rule, "Name an archive of MedMNIST")
        images = found[f"{split}_images"]
        if images.dtype != np.uint8 or not 3 <= len(images.shape) <= 4 or min(images.shape) < 1:
            rule = f"MedMNIST: its {split}_images are {images.dtype} of shape {images.shape}"
            raise ReadError(
                str(self.path), rule, "They are uint8: (image, [slice,] row, column) or RGB"
            )
        return images.shape

    def _labels(self, found: dict[str, Declared], split: str) -> np.ndarray:
        labels, count = found[f"{split}_labels"], self._shapes[split][0]
        if len(labels.shape) == 2 and labels.shape[1] > 1:
            rule = f"MedMNIST: it has {labels.shape[1]} labels an image, and a class is one"
            raise ReadError(str(self.path), rule, "Choose an archive with one label an image")
        if labels.dtype.kind not in "iu" or labels.shape not in ((count,), (count, 1)):
            rule = f"MedMNIST: {labels.dtype} labels of {labels.shape} for {count} images"
            raise ReadError(str(self.path), rule, "There is one integer an image")
        return read_array(self.path, labels.name).reshape(-1).astype(np.int64)

    def _slices(self, split: str) -> int:
        shape = self._shapes[split]
        volumes = len(shape) == 4 and shape[3] != 3
        return shape[1] if volumes and self.slices == "all" else 1

    def _place(self, index: int) -> tuple[str, int, int]:
        """The split of a record, the image in it, and the slice of the image."""
        if not 0 <= index < len(self):
            raise IndexError(f"record {index}: {self.path.name} has {len(self)}. Choose one")
        which = bisect_right(self._ends, index)
        split = SPLITS[which]
        image, at = divmod(index - ([0, *self._ends])[which], self._slices(split))
        return split, image, at if self.slices == "all" else self._shapes[split][1] // 2

    def _stored(self, split: str) -> np.ndarray:
        if split not in self._images:
            with reading(self.path, "MedMNIST (.npz)"):
                self._images[split] = read_array(self.path, f"{split}_images")
        return self._images[split]
