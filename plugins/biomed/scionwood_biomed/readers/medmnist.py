"""MedMNIST archives: pictures and volumes with a class and a split, but without subjects."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, final

import numpy as np

from scionwood import ReadError, Record
from scionwood.authoring import RecordFunction, atomic_path, check_zip, reading, writing
from scionwood_biomed.readers.base import IndexedReader, new_data
from scionwood_biomed.readers.npz import Declared, declared, read_array, write_changed
from scionwood_deid import LARGEST

KIND = "MedMNIST (.npz)"
SPLITS = ("train", "val", "test")


@final
class MedMnistReader(IndexedReader):
    """Read the pictures of a MedMNIST archive, or slices of its volumes, one split after another.

    An archive holds `train_images` and `train_labels`, and the same for val and test. It does not
    record subjects. The images of a split stay in memory, as they are stored, after the first of
    them has been read.

    Args:
        path: the file.
        slices: slices of a volume: the middle one along the first axis, or all.
        largest: maximum number of bytes that all images may take in memory.

    Attributes:
        labels: (record,) int64, the class number of each record.
        splits: (record,), the split of each record: `train`, `val` or `test`.

    Shapes: (row, column, channel) float32 with one channel, or three.

    Units: data from 0 (black) to 1 (white).

    Raises:
        ReadError: the file is not such an archive, is damaged or too large, holds pickles or values
            that are not bytes, or has several labels per image (ChestMNIST).

    Source: Yang et al. 2023, doi:10.1038/s41597-022-01721-8; https://medmnist.com
    """

    suffixes: ClassVar[tuple[str, ...]] = (".npz",)
    remote = ("image",)
    dims = ("row", "column", "channel")
    units: Mapping[str, str] = {"row": "1", "column": "1", "channel": "1", "data": "1"}

    def __init__(
        self,
        path: str | Path,
        *,
        slices: Literal["middle", "all"] = "middle",
        largest: int = LARGEST,
    ) -> None:
        self.path, self.slices = Path(path), slices
        self._images: dict[str, np.ndarray] = {}
        with reading(self.path, KIND):
            headers = declared(self.path)
            self._shapes = {split: self._shape(headers, split) for split in SPLITS}
            needed = sum(headers[f"{split}_images"].nbytes for split in SPLITS)
            if needed > largest:
                rule = f"MedMNIST: its images take {needed:,} bytes, more than `largest`"
                raise ReadError(str(path), rule, "Raise `largest`, or convert it to shards")
            check_zip(self.path, KIND)
            labels = {split: self._labels(headers, split) for split in SPLITS}
        slice_counts = {split: self._slices(split) for split in SPLITS}
        self.labels = np.concatenate([labels[s].repeat(slice_counts[s]) for s in SPLITS])
        sizes = [len(labels[s]) * slice_counts[s] for s in SPLITS]
        self.splits = [s for s, size in zip(SPLITS, sizes, strict=True) for _ in range(size)]
        self._ends = list(itertools.accumulate(sizes))

    def __len__(self) -> int:
        return len(self.splits)

    def read(self, index: int) -> Record:
        """Read a record by its index, from 0.

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
        """Return the index, in its split, of the image or volume that a record belongs to."""
        return self._place(index)[1]

    def rewrite(
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Write a copy of the archive with new pictures, rounded to bytes; labels are kept.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the target cannot be written, or the shape changed.
        """
        changed: dict[str, np.ndarray] = {}
        for index, record in enumerate(self):
            after = new_data(self.path, record, function)
            if after is None:
                continue
            split, image, at = self._place(index)
            name = f"{split}_images"
            into = changed.setdefault(name, self._stored(split).copy())[image]
            into = into[at] if "slice" in record.key else into
            into[...] = np.rint(after.clip(0, 1) * 255).reshape(into.shape)
        with writing(target), atomic_path(target, overwrite=overwrite) as part:
            if changed:
                write_changed(self.path, part, changed)
            else:
                part.write_bytes(self.path.read_bytes())

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write twelve colour pictures of 8 x 8 pixels in three classes, four per split."""
        rng = np.random.default_rng(0)
        arrays: dict[str, np.ndarray] = {}
        for split in SPLITS:
            arrays[f"{split}_images"] = rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
            arrays[f"{split}_labels"] = np.array([[0], [1], [2], [0]], dtype=np.uint8)
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    def _shape(self, headers: dict[str, Declared], split: str) -> tuple[int, ...]:
        missing = {f"{split}_images", f"{split}_labels"} - headers.keys()
        if missing:
            rule = f"MedMNIST: it has no array {', '.join(sorted(missing))}"
            raise ReadError(str(self.path), rule, "Give an archive of MedMNIST")
        images = headers[f"{split}_images"]
        if images.dtype != np.uint8 or not 3 <= len(images.shape) <= 4 or min(images.shape) < 1:
            rule = f"MedMNIST: its {split}_images are {images.dtype} of shape {images.shape}"
            remedy = "Store uint8 of shape (image, [slice,] row, column), or RGB"
            raise ReadError(str(self.path), rule, remedy)
        return images.shape

    def _labels(self, headers: dict[str, Declared], split: str) -> np.ndarray:
        labels, count = headers[f"{split}_labels"], self._shapes[split][0]
        if len(labels.shape) == 2 and labels.shape[1] > 1:
            rule = f"MedMNIST: it has {labels.shape[1]} labels per image, and one is expected"
            raise ReadError(str(self.path), rule, "Choose an archive with one label per image")
        if labels.dtype.kind not in "iu" or labels.shape not in ((count,), (count, 1)):
            rule = f"MedMNIST: {labels.dtype} labels of shape {labels.shape} for {count} images"
            raise ReadError(str(self.path), rule, "Store one integer per image")
        return read_array(self.path, labels.name).reshape(-1).astype(np.int64)

    def _slices(self, split: str) -> int:
        shape = self._shapes[split]
        volumes = len(shape) == 4 and shape[3] != 3
        return shape[1] if volumes and self.slices == "all" else 1

    def _place(self, index: int) -> tuple[str, int, int]:
        """Return the split of a record, the image in the split, and the slice of the image."""
        self.check_index(index, "record")
        which = bisect_right(self._ends, index)
        split = SPLITS[which]
        image, at = divmod(index - ([0, *self._ends])[which], self._slices(split))
        return split, image, at if self.slices == "all" else self._shapes[split][1] // 2

    def _stored(self, split: str) -> np.ndarray:
        if split not in self._images:
            with reading(self.path, KIND):
                self._images[split] = read_array(self.path, f"{split}_images")
        return self._images[split]
