"""Files that hold many pictures: list the pictures of a file, and read one of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, final

import numpy as np

from scionwood import RecipeError
from scionwood_biomed.readers.medmnist import MedMnistReader
from scionwood_biomed.readers.medmnist_names import names_of
from scionwood_biomed.readers.opening import coloured, is_slide, spread
from scionwood_biomed.readers.shards import ShardReader
from scionwood_biomed.readers.slides import SlideReader

LABELLED = (*MedMnistReader.suffixes, *ShardReader.suffixes)
"""Endings of files that state the classes of their pictures."""

UNKNOWN = "unknown"
"""Value of `subject` for a file that records no subjects and has splits of its own."""

Many: TypeAlias = MedMnistReader | ShardReader | SlideReader


@final
class Part(NamedTuple):
    """One picture in a file.

    Attributes:
        number: index of the record in the file's reader.
        label: class name; `None` if the file does not state it, as for slides.
        subject: the subject; `None` if the file does not state it.
        name: name of the sample in the file; empty if it has none.
        split: `train`, `val` or `test`; `None` if the file does not state it.
    """

    number: int
    label: str | None = None
    subject: str | None = None
    name: str = ""
    split: str | None = None


@final
class Archives:
    """Open readers of files that hold many pictures; each file is opened once.

    Args:
        class_names: class names in the order of the label numbers.
        slices: slices of a three-dimensional MedMNIST volume: the middle one, or all.
        mpp: pixel size of slide tiles, in micrometres.
        tiles: maximum number of tiles per slide, evenly spaced over its tissue; `None` means all.
        size: side of a slide tile in pixels.
    """

    def __init__(
        self,
        *,
        class_names: Sequence[str] | None = None,
        slices: Literal["middle", "all"] = "middle",
        mpp: float = 0.5,
        tiles: int | None = 64,
        size: int = 224,
    ) -> None:
        self.class_names, self.slices = class_names, slices
        self.mpp, self.tiles, self.size = mpp, tiles, size
        self._readers: dict[Path, Many] = {}

    def holds(self, path: Path) -> bool:
        """Return whether a file holds many pictures."""
        return path.name.lower().endswith(LABELLED) or is_slide(path)

    def reader(self, path: Path) -> Many:
        """Return the reader of a file.

        Raises:
            ReadError: the file is damaged, hostile or too large.
        """
        if path not in self._readers:
            self._readers[path] = self._open(path)
        return self._readers[path]

    def picture(self, path: Path, index: int) -> np.ndarray:
        """Read one picture of a file: (row, column, 3) float32, 0 to 1."""
        return coloured(self.reader(path).read(index).data)

    def parts(self, path: Path, *, subject: str | None = None) -> Iterator[Part]:
        """List the pictures of a file.

        Args:
            path: the file.
            subject: `UNKNOWN` accepts a file that records no subjects, with its own splits.

        Raises:
            ReadError: the file is damaged, hostile or too large.
            RecipeError: labels are numbers without names, or the file records no subjects and
                `subject` is not `UNKNOWN`.
        """
        reader = self.reader(path)
        if isinstance(reader, MedMnistReader):
            yield from self._medmnist(path, reader, subject)
        elif isinstance(reader, ShardReader):
            for index, name in enumerate(reader.keys):
                label = self._name(path, reader.labels[index])
                yield Part(index, label, reader.subjects[index], name)
        else:
            for index in spread(len(reader), self.tiles):
                yield Part(index)

    def _open(self, path: Path) -> Many:
        name = path.name.lower()
        if name.endswith(MedMnistReader.suffixes):
            return MedMnistReader(path, slices=self.slices)
        if name.endswith(ShardReader.suffixes):
            return ShardReader(path)
        return SlideReader(path, mpp=self.mpp, size=self.size)

    def _medmnist(self, path: Path, reader: MedMnistReader, subject: str | None) -> Iterator[Part]:
        if subject != UNKNOWN:
            rule = "MedMNIST does not record subjects, and splits are by subject"
            remedy = f"Give `subject: {UNKNOWN}` to use the file's own splits"
            raise RecipeError(str(path), rule, remedy)
        warnings.warn(
            f"{path.name} does not record subjects: its own splits are used, and a person may be "
            "in two of them",
            stacklevel=4,
        )
        for index, (label, split) in enumerate(zip(reader.labels, reader.splits, strict=True)):
            # Slices of one volume are one subject; which volumes share a subject is not known.
            owner = f"{UNKNOWN} {split} {reader.image(index)}"
            yield Part(index, self._name(path, str(label)), owner, split=split)

    def _name(self, path: Path, label: str | None) -> str | None:
        """Return the class name of a label, which may be a number."""
        if label is None or not label.isdecimal():
            return label
        names = self.class_names or names_of(path)
        if names is None or int(label) >= len(names):
            rule = f"label {label} is a number without a name, and a prompt needs a name"
            remedy = "Give `class_names` in the order of the numbers, or keep MedMNIST's file name"
            raise RecipeError(str(path), rule, remedy)
        return names[int(label)]
