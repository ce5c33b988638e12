"""PNG, JPEG and TIFF pictures; the number of pixels is checked before decoding."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, ClassVar, final

import numpy as np
from PIL import Image, ImageOps

from scionwood import Reader, ReadError, Record, WriteError
from scionwood.authoring import RecordFunction, atomic_path, reading, writing
from scionwood_biomed.readers.base import new_data
from scionwood_deid import check_pixels

PIXELS = 100_000_000
"""Maximum number of pixels of a picture, unless the reader is told otherwise."""

KIND = "picture (.png, .jpg, .tif)"
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_KINDS = {2: "signed numbers", 3: "real numbers", 5: "complex numbers", 6: "complex numbers"}
LOSSLESS = ("PNG", "TIFF")
"""Pillow's names of the lossless formats."""


@final
class PictureReader(Reader):
    """Read one picture of 8 or 16 bits: one channel for grey, three for colour, EXIF applied.

    Args:
        path: the file.
        pixels: maximum number of pixels.

    Shapes: (row, column, channel) float32.

    Units: data from 0 (black) to 1 (white).

    Raises:
        ReadError: the file is not a picture, is damaged or truncated, has too many pixels, declares
            more than its bytes can hold, or holds signed or real numbers, more than 16 bits, or
            several channels of 16 bits.

    Source: the formats that Pillow reads, https://pillow.readthedocs.io
    """

    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
    dims = ("row", "column", "channel")
    units: Mapping[str, str] = {"row": "1", "column": "1", "channel": "1", "data": "1"}

    def __init__(self, path: str | Path, *, pixels: int = PIXELS) -> None:
        self.path, self.pixels = Path(path), pixels
        with reading(self.path, KIND), Image.open(self.path) as image:
            _check(image, self.path, pixels, self.path.stat().st_size)
            self.format, self.mode = image.format, image.mode

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Record]:
        yield Record({"picture": 0}, decoded(self.path.open("rb"), self.path, self.pixels))

    def rewrite(
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Write a copy of the picture with new values, rounded to its bit depth.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the target cannot be written, the shape changed, or the values of a lossy
                format changed.
        """
        (record,) = self
        after = new_data(self.path, record, function)
        if after is not None and self.format not in LOSSLESS:
            rule = f"{self.format} is lossy and cannot store the new values exactly"
            raise WriteError(str(self.path), rule, "Convert the file to PNG first")
        with writing(target), atomic_path(target, overwrite=overwrite) as part:
            if after is not None:
                encoded(after, self.mode).save(part, self.format)
            else:
                part.write_bytes(self.path.read_bytes())

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write 16 x 12 pixels of a gradient in two colours."""
        y, x = np.mgrid[0:1:16j, 0:1:12j]
        encoded(np.stack([x, y, 0 * x], -1), "RGB").save(path)


def decoded(file: IO[bytes], path: Path, pixels: int = PIXELS) -> np.ndarray:
    """Decode the picture in an open file after a check of its size, and close the file.

    Args:
        file: an open file that holds the picture alone.
        path: the path that an error names.
        pixels: maximum number of pixels.

    Returns:
        (row, column, channel) float32, 0 is black and 1 is white.

    Raises:
        ReadError: the file is not a picture, is damaged or truncated, has too many pixels, or
            declares more than its bytes can hold.
    """
    with file, reading(path, KIND):
        inside = file.seek(0, os.SEEK_END)
        file.seek(0)
        with Image.open(file) as image:
            _check(image, path, pixels, inside)
            if image.format == "TIFF" and (pages := getattr(image, "n_frames", 1)) > 1:
                warnings.warn(f"{path.name}: the first of its {pages} pages is read", stacklevel=2)
            # Pillow turns 8 bits of which 0 is white, and no others.
            is_white_0 = image.mode.startswith("I") and _tag(image, _PHOTOMETRIC, 1) == 0
            values = _values(ImageOps.exif_transpose(image))
            return 1 - values if is_white_0 else values


def encoded(values: np.ndarray, mode: str) -> Image.Image:
    """Convert values to a picture, rounded to the bit depth of its mode.

    Args:
        values: (row, column, channel), 0 to 1.
        mode: Pillow's mode; a mode that starts with `I` has 16 bits.
    """
    if mode.startswith("I"):
        return Image.fromarray(np.rint(values[..., 0].clip(0, 1) * 65535).astype(np.uint16))
    levels = np.rint(values.clip(0, 1) * 255).astype(np.uint8)
    return Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)


def _check(image: Image.Image, path: Path, pixels: int, inside: int) -> None:
    width, height = image.size
    if width * height > pixels:
        rule = f"picture: {width} x {height} is more than {pixels:,} pixels"
        raise ReadError(str(path), rule, "Read it as a whole slide, or raise `pixels`")
    check_pixels(path, "picture", image.size, inside)
    bits, kind = _tag(image, _BITS, 8), _tag(image, _SAMPLE_FORMAT, 1)
    if image.mode == "F" or bits > 16 or kind in _KINDS:
        rule = f"picture: its samples are {_KINDS.get(kind, 'whole numbers')} of {bits} bits"
        remedy = "Scale them to whole numbers from 0 to 65,535, and write 16 bits"
        raise ReadError(str(path), rule, remedy)
    # Pillow reads 16 bits of several channels as 8; the raw modes of its tiles say so.
    tiles = getattr(image, "tile", ())
    if not image.mode.startswith("I") and any(";16" in str(tile[3]) for tile in tiles):
        rule = "picture: its channels have 16 bits each, of which Pillow reads 8"
        raise ReadError(str(path), rule, "Write 8 bits, or a picture for each channel")


def _tag(image: Image.Image, number: int, default: int) -> int:
    """Return a tag of a TIFF; of one value for each channel the first."""
    value = getattr(image, "tag_v2", {}).get(number, default)
    return int(value[0] if isinstance(value, tuple) else value)


def _values(image: Image.Image) -> np.ndarray:
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        return (np.asarray(image).astype(np.float32) / 65535)[..., None]
    grey = image.mode in ("1", "L", "LA", "F")
    values = np.asarray(image.convert("L" if grey else "RGB"), dtype=np.float32) / 255
    return values[..., None] if grey else values
