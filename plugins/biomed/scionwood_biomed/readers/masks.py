"""Read a volume with its mask: NIfTI on one grid, or a DICOM series with a DICOM SEG."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from scionwood import ReadError
from scionwood.authoring import call_in_child, reading
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_biomed.readers.nifti import NiftiReader
from scionwood_biomed.readers.opening import stretched
from scionwood_biomed.readers.volumes import checked_study
from scionwood_deid import Window, to_display

CLOSE = 1e-3
"""Largest difference of two affines that count as one grid, in mm."""


@final
class Masked(NamedTuple):
    """A volume with its mask.

    Attributes:
        picture: (slice, row, column) float32 from 0 to 1.
        mask: (slice, row, column) uint8: 0 is background.
    """

    picture: np.ndarray
    mask: np.ndarray


def read_masked(
    path: str | Path, mask: str | Path, *, window: Window = "file", classes: int = 1
) -> Masked:
    """Read a volume and its mask.

    Args:
        path: a NIfTI volume, or the folder of a DICOM series.
        mask: a NIfTI mask, or a DICOM SEG of that series (needs highdicom).
        window: CT window of DICOM; see `display.to_display`.
        classes: number of classes without background.

    Raises:
        ReadError: a file is damaged, the mask has another grid, a value of the mask names no class,
            or highdicom is not installed.
    """
    return Masked(*call_in_child(masked_of, Path(path), Path(mask), window, classes))


def masked_of(
    path: Path, mask: Path, window: Window, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Read a volume and its mask in this process; see `read_masked`."""
    if path.name.lower().endswith(NiftiReader.suffixes):
        picture, labels = _of_nifti(path, mask)
    else:
        picture, labels = _of_dicom(path, mask, window)
    if picture.shape != labels.shape:
        rule = f"its grid is {labels.shape}, and that of {path.name} is {picture.shape}"
        raise ReadError(str(mask), rule, "Resample the mask to the grid of the volume")
    unknown = sorted(set(np.unique(labels)) - set(range(classes + 1)))
    if unknown:
        rule = f"the value {unknown[0]:g} names no class; there are {classes}, from 1"
        raise ReadError(str(mask), rule, "Name all classes, or correct the mask")
    return picture, labels.astype(np.uint8)


def ordered_files(path: Path) -> list[Path]:
    """Return the files of the only series of a folder, in the order of its slices.

    Args:
        path: a folder of single-frame DICOM files of one series.

    Raises:
        ReadError: it holds several series or multi-frame files, or a slice is missing.
    """
    reader = checked_study(path)
    if len(reader) != 1 or len(reader.series[0].parts) != len(reader.series[0].order):
        rule = "one series of files with one slice each is needed"
        raise ReadError(str(path), rule, "Give the folder of such a series")
    series = reader.series[0]
    return [series.parts[at].file.path for at in series.order]


def _of_nifti(path: Path, mask: Path) -> tuple[np.ndarray, np.ndarray]:
    volume, labels = NiftiReader(path), NiftiReader(mask)
    if volume.shape == labels.shape and np.abs(volume.affine - labels.affine).max() > CLOSE:
        rule = f"its affine differs from that of {path.name}"
        raise ReadError(str(mask), rule, "Resample the mask to the grid of the volume")
    picture = stretched(volume.read(0).data).transpose(2, 1, 0)
    return picture, labels.read(0).data.transpose(2, 1, 0)


def _of_dicom(path: Path, mask: Path, window: Window) -> tuple[np.ndarray, np.ndarray]:
    import pydicom

    try:
        from highdicom.seg import segread
    except ImportError as error:
        remedy = "pip install monai highdicom"
        raise ReadError(str(mask), "a DICOM SEG needs highdicom", remedy) from error
    files = ordered_files(path)
    reader = DicomReader(path)
    values = reader.read(0).data
    picture = to_display(values, reader.series[0].first.header, window)[..., 0]
    with reading(mask, "DICOM SEG"):
        uids = [pydicom.dcmread(f, stop_before_pixels=True).SOPInstanceUID for f in files]
        segmentation = segread(mask)
        source_uids = {of_image for *_, of_image in segmentation.get_source_image_uids()}
        if not source_uids <= set(uids):
            rule = f"it was made for other images than those of {path.name}"
            raise ReadError(str(mask), rule, "Give the SEG of this series")
        labels = segmentation.get_pixels_by_source_instance(
            uids, combine_segments=True, assert_missing_frames_are_empty=True
        )
    return picture, labels
