"""Frames as pictures for a person's eyes: as the file shows them, and with every grey apart."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import final

import numpy as np

from scionwood_deid.images.dicom_file import open_file
from scionwood_deid.images.display import to_display
from scionwood_deid.nifti_copy import is_nifti, stored, whole_of
from scionwood_sandbox import ReadError, reading

VIEWS = ("window", "spread")
"""As the file's window shows it, and with its greys spread, so that faint text is visible."""

_SAMPLE = 1 << 16
"""Pixels of a block whose order says how its greys are spread."""
_BLOCKS, _BLOCK = 8, 32
"""Blocks along a side at most, and the least side of a block in pixels."""
_AT_ONCE = 1 << 28
"""Pixels that a volume of NIfTI may show at once."""


@final
@dataclass(frozen=True)
class Pictures:
    """Frames of one file.

    Attributes:
        shape: frames, rows and columns of the file.
        numbers: the frames that are here.
        window: (frame, row, column, 3) uint8, as the file's window shows them.
        spread: the same frames with their greys spread.
        scale: pixels of the file for a pixel here.
    """

    shape: tuple[int, int, int]
    numbers: tuple[int, ...]
    window: np.ndarray
    spread: np.ndarray
    scale: float


def frames_in(path: Path) -> int:
    """Return the number of frames of an image; of a volume its slices at all times.

    Args:
        path: a DICOM or NIfTI file.

    Raises:
        ReadError: it is damaged, or holds no image.
    """
    with reading(path, "image"):
        if is_nifti(path):
            return int(_volume(path).shape[0])
        return open_file(path, "").shape[0]


def pictures_of(path: Path, numbers: Sequence[int], largest: int) -> Pictures:
    """Return frames of a file as pictures.

    Args:
        path: a DICOM or NIfTI file.
        numbers: the frames, from 0.
        largest: the longest side of a picture in pixels; larger ones are made smaller.

    Raises:
        ReadError: it is damaged, holds no image, or needs a decoder that is not installed.
    """
    with reading(path, "image"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if is_nifti(path):
            volume = _volume(path)
            values = np.nan_to_num(volume[list(numbers)].astype(np.float32))[..., None]
            shape, display_values = (volume.shape[0], *values.shape[1:3]), _stretched(values)
        else:
            file = open_file(path, "")
            values = file.values(numbers)
            shape = file.shape[:3]
            display_values = np.concatenate(
                [to_display(slice_values[None], file.header) for slice_values in values]
            )
        scale = max(1.0, max(shape[1:]) / largest)
        size = tuple(max(1, round(side / scale)) for side in shape[1:])
        window = np.stack([_small(picture, size) for picture in display_values])
        spread = np.stack([_small(_spread(slice_values), size) for slice_values in values])
        return Pictures(shape, tuple(numbers), window, spread, scale)


def windows_of(path: Path, numbers: Sequence[int]) -> np.ndarray:
    """Return frames of an image as its window shows them, in the size of the file.

    If frames are left out, a last picture has the brightest value of each pixel over all frames:
    white text of any frame is seen there.

    Args:
        path: a DICOM file.
        numbers: the frames, from 0.

    Returns:
        (frame, row, column, 3) uint8.

    Raises:
        ReadError: it is damaged, holds no image, or needs a decoder that is not installed.
    """
    with reading(path, "image"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = open_file(path, "")
        frames, *size, channels = file.shape
        pictures = [to_display(values[None], file.header)[0] for values in file.values(numbers)]
        if len(numbers) < frames:
            brightest = np.zeros((*size, channels), np.float32)
            step = max(1, _AT_ONCE // (4 * math.prod(brightest.shape)))
            for first in range(0, frames, step):
                values = file.values(range(first, min(first + step, frames)))
                for frame in values:
                    np.maximum(brightest, to_display(frame[None], file.header)[0], out=brightest)
            pictures.append(brightest)
        return np.stack([_small(picture, tuple(size)) for picture in pictures])


def _volume(path: Path) -> np.ndarray:
    """Return (slice, row, column): the first two stored axes are columns and rows."""
    values = stored(path, whole_of(path))
    if values.dtype.kind not in "iufb":
        rule = f"its voxels are {values.dtype}, which has no grey"
        raise ReadError(str(path), rule, "Convert the values first")
    if math.prod(values.shape) > _AT_ONCE:
        rule = f"its {values.shape} voxels are too many to show"
        raise ReadError(str(path), rule, "Divide the volume")
    return values.reshape(*values.shape[:2], -1, order="F").transpose(2, 1, 0)


def _stretched(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    stretched: np.ndarray = (values - low) / max(high - low, 1e-12)
    return stretched


def _spread(values: np.ndarray) -> np.ndarray:
    """Return (row, column, channel) from 0 to 1: how many pixels of a block are darker.

    A name that is one grey step above its ground is seen here, whatever else the picture has.
    """
    ranks = np.empty(values.shape, np.float32)
    rows, columns = (_cuts(length) for length in values.shape[:2])
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            for at in range(values.shape[-1]):
                block = values[top:bottom, left:right, at]
                flat = np.sort(block.ravel()[:: max(1, block.size // _SAMPLE)])
                low, high = (np.searchsorted(flat, block, side) for side in ("left", "right"))
                ranks[top:bottom, left:right, at] = (low + high) / (2 * len(flat))
    return ranks


def _cuts(length: int) -> list[int]:
    """Return where blocks begin and end along a side."""
    count = max(1, min(_BLOCKS, length // _BLOCK))
    return [round(at) for at in np.linspace(0, length, count + 1)]


def _small(picture: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    from PIL import Image

    grey = (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
    coloured = grey if grey.shape[-1] == 3 else np.repeat(grey[..., :1], 3, -1)
    if coloured.shape[:2] == size:
        return coloured
    return np.asarray(Image.fromarray(coloured).resize((size[1], size[0]), Image.Resampling.BOX))
