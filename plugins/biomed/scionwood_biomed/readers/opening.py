"""Open a medical image with the reader of its format, and make a picture of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scionwood import ReadError
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_biomed.readers.display import Window, to_display
from scionwood_biomed.readers.nifti import NiftiReader
from scionwood_biomed.readers.pictures import PictureReader

READERS = (DicomReader, NiftiReader, PictureReader)

SUFFIXES: tuple[str, ...] = tuple(end for reader in READERS for end in reader.suffixes)
"""What is taken for an image in a folder."""


def subject_of(path: Path, salt: str = "") -> str | None:
    """Whose image it is, where the file itself says so: a hash of DICOM's PatientID.

    Raises:
        ReadError: it is a damaged DICOM file.
    """
    if not path.name.lower().endswith(DicomReader.suffixes):
        return None
    return DicomReader(path, salt=salt).series[0].first.subject


def read_picture(path: Path, *, window: Window = "file") -> np.ndarray:
    """One picture of an image file, as a model of pictures wants it.

    Of a volume it is the slice in the middle: of DICOM along the normal, of NIfTI the axial one,
    seen from the feet, the patient's left on the right.

    Args:
        path: a DICOM, NIfTI or picture file, or a folder of one DICOM series.
        window: of CT, see `display.to_display`.

    Returns:
        (row, column, 3) float32, 0 black to 1 white.

    Raises:
        ReadError: the format is not known, or the file is damaged.
    """
    path = Path(path)
    name = path.name.lower()
    if path.is_dir() or name.endswith(DicomReader.suffixes):
        return _colour(_dicom(path, window))
    if name.endswith(NiftiReader.suffixes):
        volume = NiftiReader(path).read(0).data
        axial = volume[:, :, volume.shape[2] // 2]
        return _colour(_stretched(np.flip(axial, (0, 1)).T[..., None]))
    if name.endswith(PictureReader.suffixes):
        (record,) = PictureReader(path)
        return _colour(record.data)
    raise ReadError(str(path), "no reader knows this ending", f"Use one of {', '.join(SUFFIXES)}")


def _dicom(path: Path, window: Window) -> np.ndarray:
    reader = DicomReader(path)
    if len(reader) != 1:
        rule = f"DICOM: it holds {len(reader)} series"
        raise ReadError(str(path), rule, "Name the folder or file of one of them")
    record = reader.read(0)
    middle = record.data[len(record.data) // 2]
    return to_display(middle, reader.series[0].first.header, window)


def _stretched(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return ((values - low) / max(high - low, 1e-12)).astype(np.float32)


def _colour(values: np.ndarray) -> np.ndarray:
    return np.repeat(values, 3, -1) if values.shape[-1] == 1 else values
