"""PNG, JPEG and TIFF pictures, bounded before they are decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, ClassVar, final

import numpy as np
from PIL import Image, ImageOps

from scionwood import Reader, ReadError, Record, WriteError, atomic_path
from scionwood_biomed.readers.bounds import reading

PIXELS = 100_000_000
"""The most pixels of a picture, unless the reader is told otherwise."""

KIND = "picture (.png, .jpg, .tif)"
LOSSLESS = ("PNG", "TIFF")
"""Formats of Pillow that give back the values that were written."""


@final
class PictureReader(Reader):
    """Read one picture: grey as one channel, colour as three, 8 or 16 bits, upright after EXIF.

    Args:
        path: the file.
        pixels: the most that it may have.

    Shapes: (row, column, channel) float32.

    Units: 0 black to 1 white.

    Raises:
        ReadError: no picture, damaged, cut, or with more pixels.

    Source: the formats as Pillow reads them.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
    dims = ("row", "column", "channel")
    units: Mapping[str, str] = {"row": "1", "column": "1", "channel": "1", "data": "1"}

    def __init__(self, path: Path, *, pixels: int = PIXELS) -> None:
        self.path, self.pixels = Path(path), pixels
        with reading(self.path, KIND), Image.open(self.path) as image:
            _check(image, self.path, pixels)
            self.format, self.mode = image.format, image.mode

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Record]:
        yield Record({"picture": 0}, decoded(self.path.open("rb"), self.path, self.pixels))

    def rewrite(
        self, target: Path, function: Callable[[Record], np.ndarray], *, overwrite: bool = False
    ) -> None:
        """Write the picture with other values, rounded to its bits.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the shape changed, or the values of a format that loses some.
        """
        (record,) = self
        after = np.asarray(function(Record(record.key, record.data.copy())))
        if after.shape != record.data.shape:
            rule = f"the data came back as {after.shape}, it was {record.data.shape}"
            raise WriteError(str(self.path), rule, "A function must keep the shape")
        changed = bool((after != record.data).any())
        if changed and self.format not in LOSSLESS:
            raise WriteError(
                str(self.path), f"{self.format} loses values", "Convert it to PNG first"
            )
        with atomic_path(Path(target), overwrite=overwrite) as part:
            if changed:
                encoded(after, self.mode).save(part, self.format)
            else:
                part.write_bytes(self.path.read_bytes())

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write 16 x 12 pixels of a gradient in two colours."""
        y, x = np.mgrid[0:1:16j, 0:1:12j]
        encoded(np.stack([x, y, 0 * x], -1), "RGB").save(path)


def decoded(file: IO[bytes], path: Path, pixels: int = PIXELS) -> np.ndarray:
    """The picture in an open file, bounded before it is decoded; the file is closed.

    Args:
        file: at the start of the picture.
        path: what an error names.
        pixels: the most that it may have.

    Returns:
        (row, column, channel) float32, 0 black to 1 white.

    Raises:
        ReadError: no picture, damaged, cut, or with more pixels.
    """
    with file, reading(path, KIND), Image.open(file) as image:
        _check(image, path, pixels)
        return _values(ImageOps.exif_transpose(image))


def encoded(values: np.ndarray, mode: str) -> Image.Image:
    """A picture of these values, rounded to the bits of its mode.

    Args:
        values: (row, column, channel), 0 to 1.
        mode: of Pillow; those with `I` have 16 bits.
    """
    if mode.startswith("I"):
        return Image.fromarray(np.rint(values[..., 0].clip(0, 1) * 65535).astype(np.uint16))
    levels = np.rint(values.clip(0, 1) * 255).astype(np.uint8)
    return Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)


def _check(image: Image.Image, path: Path, pixels: int) -> None:
    width, height = image.size
    if width * height > pixels:
        rule = f"picture: {width} x {height} are more than {pixels:,} pixels"
        raise ReadError(str(path), rule, "Read it as a whole slide, or raise `pixels`")


def _values(image: Image.Image) -> np.ndarray:
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        return (np.asarray(image).astype(np.float32) / 65535)[..., None]
    grey = image.mode in ("1", "L", "LA", "F")
    values = np.asarray(image.convert("L" if grey else "RGB"), dtype=np.float32) / 255
    return values[..., None] if grey else values
