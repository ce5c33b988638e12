"""Files that hold many pictures: what is in them, and a picture of each part."""

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
"""Endings of files that say the classes of their pictures themselves."""

UNKNOWN = "unknown"
"""What `subject` is where nobody can know whose an image is, and the file brings its own splits."""

Many: TypeAlias = MedMnistReader | ShardReader | SlideReader


@final
class Part(NamedTuple):
    """One picture in a file.

    Attributes:
        number: the record of its reader.
        label: its class; None where the file does not say, as slides do not.
        subject: whose it is; None where the file does not say.
        name: of the sample in the file, empty where it has none.
        split: train, val or test, where the file says so.
    """

    number: int
    label: str | None = None
    subject: str | None = None
    name: str = ""
    split: str | None = None


@final
class Archives:
    """Opens files with many pictures, each once.

    Args:
        class_names: of labels that are numbers, in their order.
        slices: of three-dimensional MedMNIST: the one in the middle, or all.
        mpp: of slides, micrometres a pixel.
        tiles: the most tiles of a slide, at even distances among those with tissue; None for all.
        size: of slides, pixels a side of a tile.
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
        """Whether a file is one of those with many pictures."""
        return path.name.lower().endswith(LABELLED) or is_slide(path)

    def reader(self, path: Path) -> Many:
        """The reader of a file.

        Raises:
            ReadError: it is damaged, hostile or too large.
        """
        if path not in self._readers:
            self._readers[path] = self._open(path)
        return self._readers[path]

    def picture(self, path: Path, index: int) -> np.ndarray:
        """(row, column, 3) float32, 0 to 1, of one part."""
        return coloured(self.reader(path).read(index).data)

    def parts(self, path: Path, *, subject: str | None = None) -> Iterator[Part]:
        """What is in a file.

        Args:
            path: the file.
            subject: `UNKNOWN` to take the splits of a file that knows no subjects.

        Raises:
            ReadError: it is damaged, hostile or too large.
            RecipeError: its labels are numbers that nobody named, or it knows no subjects and
                nobody said that this is known.
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
            rule = "MedMNIST does not say whose image one is, and splits are by subject"
            remedy = f"Give `subject: {UNKNOWN}` to take the file's own splits as they are"
            raise RecipeError(str(path), rule, remedy)
        warnings.warn(
            f"{path.name} does not say whose image one is: its own splits are taken, and a person "
            "may be in two of them",
            stacklevel=4,
        )
        for index, (label, split) in enumerate(zip(reader.labels, reader.splits, strict=True)):
            # Slices of one volume are one subject; which volumes belong together, nobody knows.
            owner = f"{UNKNOWN} {split} {reader.image(index)}"
            yield Part(index, self._name(path, str(label)), owner, split=split)

    def _name(self, path: Path, label: str | None) -> str | None:
        """A class by name; where the file has a number, the name that belongs to it."""
        if label is None or not label.isdecimal():
            return label
        names = self.class_names or names_of(path)
        if names is None or int(label) >= len(names):
            rule = f"label {label} is a number that has no name, and a prompt needs one"
            remedy = "Give `class_names` in the order of the numbers, or MedMNIST's own file name"
            raise RecipeError(str(path), rule, remedy)
        return names[int(label)]
