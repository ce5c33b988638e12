"""Open a medical image with the reader of its format, and make pictures of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from scionwood import ReadError
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_biomed.readers.dicom_identity import burned_in
from scionwood_biomed.readers.display import Window, to_display
from scionwood_biomed.readers.nifti import NiftiReader
from scionwood_biomed.readers.pictures import PictureReader
from scionwood_biomed.readers.slides import SlideReader
from scionwood_biomed.readers.tiff_tags import is_tiled
from scionwood_biomed.readers.tissue import slices_with_tissue


@final
class _Stack(NamedTuple):
    """A file as slices: (slice, row, column, channel) in its units, and what shows one of them."""

    values: np.ndarray
    show: Callable[[np.ndarray], np.ndarray]
    hounsfield: bool


READERS = (DicomReader, NiftiReader, PictureReader, SlideReader)

SUFFIXES: tuple[str, ...] = tuple(
    dict.fromkeys(end for reader in READERS for end in reader.suffixes)
)
"""What is taken for an image in a folder."""


def subject_of(path: Path, salt: str = "") -> str | None:
    """Whose image it is, where the file itself says so: a hash of DICOM's PatientID.

    Raises:
        ReadError: it is a damaged DICOM file.
    """
    if not path.name.lower().endswith(DicomReader.suffixes):
        return None
    return DicomReader(path, salt=salt).series[0].first.subject


def is_slide(path: Path) -> bool:
    """Whether a file is a whole slide: by its ending, and of a TIFF by its tiles."""
    name = path.name.lower()
    if name.endswith(PictureReader.suffixes):
        return name.endswith(SlideReader.suffixes) and is_tiled(path)
    return name.endswith(SlideReader.suffixes)


def read_picture(path: Path, *, window: Window = "file") -> np.ndarray:
    """One picture of an image file, as a model of pictures wants it.

    Of a volume it is the slice in the middle: of DICOM along the normal, of NIfTI the axial one,
    seen from the feet, the patient's left on the right. Where text may be burned into the pixels,
    as in ultrasound and secondary captures, a warning says so.

    Args:
        path: a DICOM, NIfTI or picture file, or a folder of one DICOM series.
        window: of CT, see `display.to_display`.

    Returns:
        (row, column, 3) float32, 0 black to 1 white.

    Raises:
        ReadError: the format is not known, or the file is damaged.
    """
    stack = _stack(Path(path), window)
    return coloured(stack.show(stack.values[len(stack.values) // 2]))


def read_views(
    path: Path, *, window: Window = "file", mpp: float = 0.5, size: int = 224, most: int = 32
) -> Iterator[np.ndarray]:
    """The pictures of an image file that an answer is made of.

    Of a volume they are its slices with tissue (see `tissue.slices_with_tissue`), each shown as in
    `read_picture`; of a whole slide its tiles with tissue; if there are more than `most`, so many
    of them at even distances. Of a picture it is the picture.

    Args:
        path: a DICOM, NIfTI or picture file, a whole slide, or a folder of one DICOM series.
        window: of CT, see `display.to_display`.
        mpp: of slides, micrometres a pixel.
        size: of slides, pixels a side of a tile.
        most: the most pictures.

    Yields:
        (row, column, 3) float32, 0 black to 1 white.

    Raises:
        ReadError: the format is not known, or the file is damaged.
    """
    path = Path(path)
    if is_slide(path):
        reader = SlideReader(path, mpp=mpp, size=size)
        for index in spread(len(reader), most):
            yield reader.read(index).data
        return
    stack = _stack(path, window)
    chosen = slices_with_tissue(stack.values, hounsfield=stack.hounsfield)
    for index in spread(len(chosen), most):
        yield coloured(stack.show(stack.values[chosen[index]]))


def spread(count: int, most: int | None) -> list[int]:
    """At most so many indices below `count`, at even distances; all of them for None."""
    if most is None or count <= most:
        return list(range(count))
    return [int(n) for n in (np.arange(most) + 0.5) * count / most]


def coloured(values: np.ndarray) -> np.ndarray:
    """(row, column, 1 or 3) to (row, column, 3)."""
    return np.repeat(values, 3, -1) if values.shape[-1] == 1 else values


def _stack(path: Path, window: Window) -> _Stack:
    name = path.name.lower()
    if path.is_dir() or name.endswith(DicomReader.suffixes):
        return _dicom(path, window)
    if name.endswith(NiftiReader.suffixes):
        volume = NiftiReader(path).read(0).data
        return _Stack(np.flip(volume, (0, 1)).T[..., None], _stretched, hounsfield=False)
    if name.endswith(PictureReader.suffixes):
        (record,) = PictureReader(path)
        return _Stack(record.data[None], lambda values: values, hounsfield=False)
    raise ReadError(str(path), "no reader knows this ending", f"Use one of {', '.join(SUFFIXES)}")


def _dicom(path: Path, window: Window) -> _Stack:
    reader = DicomReader(path)
    if len(reader) != 1:
        rule = f"DICOM: it holds {len(reader)} series"
        raise ReadError(str(path), rule, "Name the folder or file of one of them")
    series = reader.series[0]
    risk = burned_in(series.first.header)
    if risk:
        # Without the file's name, so that it is said once, and not once a file.
        warnings.warn(f"{risk}: a network can read it, so look at the pixels", stacklevel=4)
    show = partial(to_display, header=series.first.header, window=window)
    return _Stack(reader.read(0).data, show, hounsfield=series.unit == "HU")


def _stretched(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return ((values - low) / max(high - low, 1e-12)).astype(np.float32)
