"""Open a medical image with the reader of its format, and turn it into pictures."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from scionwood import ReadError
from scionwood.authoring import call_in_child
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_biomed.readers.nifti import NiftiReader
from scionwood_biomed.readers.pictures import PictureReader
from scionwood_biomed.readers.slides import SlideReader
from scionwood_biomed.readers.tiff_tags import is_tiled
from scionwood_biomed.readers.tissue import slices_with_tissue
from scionwood_deid import Window, burned_in, to_display


@final
class _Stack(NamedTuple):
    """A file as slices: (slice, row, column, channel) in its units, and how to display one."""

    values: np.ndarray
    show: Callable[[np.ndarray], np.ndarray]
    hounsfield: bool


READERS = (DicomReader, NiftiReader, PictureReader, SlideReader)

SUFFIXES: tuple[str, ...] = tuple(
    dict.fromkeys(end for reader in READERS for end in reader.suffixes)
)
"""File endings that count as images in a folder."""


def subject_of(path: Path, salt: str = "") -> str | None:
    """Return the subject that a DICOM file states, as a keyed hash of PatientID; else `None`.

    Args:
        path: any file.
        salt: key of the hash.

    Raises:
        ReadError: the file is a damaged DICOM file.
    """
    if not path.name.lower().endswith(DicomReader.suffixes):
        return None
    return call_in_child(_dicom_subject, path, salt)


def _dicom_subject(path: Path, salt: str) -> str | None:
    return DicomReader(path, salt=salt).series[0].first.subject


def is_slide(path: Path) -> bool:
    """Return whether a file is a whole slide, judged by its ending; a TIFF must be tiled."""
    name = path.name.lower()
    if name.endswith(PictureReader.suffixes):
        return name.endswith(SlideReader.suffixes) and call_in_child(is_tiled, path)
    return name.endswith(SlideReader.suffixes)


def read_image(path: str | Path, *, window: Window = "file") -> np.ndarray:
    """Read one picture from an image file, ready for a model of RGB pictures.

    A volume gives its middle slice. For DICOM that is the middle along the normal of the slices.
    For NIfTI it is the middle axial slice, seen from the feet with the patient's left on the right.
    A warning is issued if text may be burned into the pixels, as in ultrasound and in secondary
    captures.

    Args:
        path: a DICOM, NIfTI or picture file, or a folder of one DICOM series.
        window: CT window; see `display.to_display`.

    Returns:
        (row, column, 3) float32, 0 is black and 1 is white.

    Raises:
        ReadError: the format is unknown, or the file is damaged.

    Example:
        >>> read_image(scan, window="soft_tissue").shape
        (64, 64, 3)
    """
    return call_in_child(_picture, path, window)


def _picture(path: Path, window: Window) -> np.ndarray:
    stack = _stack(path, window)
    return coloured(stack.show(stack.values[len(stack.values) // 2]))


def read_views(
    path: str | Path, *, window: Window = "file", mpp: float = 0.5, size: int = 224, most: int = 32
) -> Iterator[np.ndarray]:
    """Read all the pictures of an image file that a classifier should see.

    A volume gives its slices with tissue (see `tissue.slices_with_tissue`), each displayed as in
    `read_image`. A whole slide gives its tiles with tissue. If there are more than `most`, they
    are sampled at even distances. A picture file gives that one picture.

    Args:
        path: a DICOM, NIfTI or picture file, a whole slide, or a folder of one DICOM series.
        window: CT window; see `display.to_display`.
        mpp: pixel size of slide tiles, in micrometres.
        size: side of a slide tile in pixels.
        most: maximum number of pictures.

    Yields:
        (row, column, 3) float32, 0 is black and 1 is white.

    Raises:
        ReadError: the format is unknown, or the file is damaged.

    Example:
        >>> len(list(read_views(scan)))
        1
    """
    path = Path(path)
    if is_slide(path):
        reader = SlideReader(path, mpp=mpp, size=size)
        for index in spread(len(reader), most):
            yield reader.read(index).data
    else:
        yield from call_in_child(_views, path, window, most)


def _views(path: Path, window: Window, max_count: int) -> Iterator[np.ndarray]:
    stack = _stack(path, window)
    chosen = slices_with_tissue(stack.values, hounsfield=stack.hounsfield)
    for index in spread(len(chosen), max_count):
        yield coloured(stack.show(stack.values[chosen[index]]))


def spread(count: int, max_count: int | None) -> list[int]:
    """Return at most `max_count` indices below `count`, evenly spaced; all of them for `None`."""
    if max_count is None or count <= max_count:
        return list(range(count))
    return [int(n) for n in (np.arange(max_count) + 0.5) * count / max_count]


def coloured(values: np.ndarray) -> np.ndarray:
    """Repeat a grey channel: (row, column, 1 or 3) to (row, column, 3)."""
    return np.repeat(values, 3, -1) if values.shape[-1] == 1 else values


def _stack(path: Path, window: Window) -> _Stack:
    name = path.name.lower()
    if path.is_dir() or name.endswith(DicomReader.suffixes):
        return _dicom(path, window)
    if name.endswith(NiftiReader.suffixes):
        volume = NiftiReader(path).read(0).data
        return _Stack(np.flip(volume, (0, 1)).T[..., None], stretched, hounsfield=False)
    if name.endswith(PictureReader.suffixes):
        (record,) = PictureReader(path)
        return _Stack(record.data[None], lambda values: values, hounsfield=False)
    remedy = f"Use one of {', '.join(SUFFIXES)}"
    raise ReadError(str(path), "no reader knows this file ending", remedy)


def _dicom(path: Path, window: Window) -> _Stack:
    reader = DicomReader(path)
    if len(reader) != 1:
        rule = f"DICOM: it holds {len(reader)} series, and one is expected"
        raise ReadError(str(path), rule, "Give the folder or a file of one series")
    series = reader.series[0]
    risk = burned_in(series.first.header)
    if risk:
        # The message omits the file's name, so that Python shows it once and not for every file.
        warnings.warn(f"{risk}: a network can read it, so look at the pixels", stacklevel=4)
    show = partial(to_display, header=series.first.header, window=window)
    return _Stack(reader.read(0).data, show, hounsfield=series.unit == "HU")


def stretched(values: np.ndarray) -> np.ndarray:
    """Map the smallest value to 0 and the largest to 1."""
    low, high = float(values.min()), float(values.max())
    return ((values - low) / max(high - low, 1e-12)).astype(np.float32)
