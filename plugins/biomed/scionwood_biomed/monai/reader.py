"""Our readers as an `ImageReader` of MONAI; items become `MetaTensor` with their affine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from monai.config.type_definitions import PathLike
from monai.data.image_reader import ImageReader
from monai.data.meta_tensor import MetaTensor

from scionwood import ReadError
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_biomed.readers.nifti import NiftiReader
from scionwood_biomed.readers.volumes import checked_study


@final
class ScionwoodReader(ImageReader):
    """Read DICOM series and NIfTI volumes for the transforms of MONAI, in RAS+.

    Give it to `monai.transforms.LoadImage(reader=ScionwoodReader())`. DICOM is in the units of its
    modality, and its slices are sorted along their normal and checked for gaps.

    Raises:
        ReadError: a file is damaged, a slice is missing, or the folder has several series.

    Example:
        >>> from monai.transforms import LoadImage
        >>> from scionwood_biomed.monai.reader import ScionwoodReader
        >>> image = LoadImage(reader=ScionwoodReader(), ensure_channel_first=True)(series)
    """

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        """Return whether a file or folder is one that this reader takes."""
        name = _one(filename)
        endings = (*NiftiReader.suffixes, *DicomReader.suffixes)
        return name.is_dir() or name.name.lower().endswith(endings)

    def read(self, data: Sequence[PathLike] | PathLike, **kwargs: Any) -> MetaTensor:
        """Return the volume (x, y, z) with its affine."""
        return read_metatensor(_one(data))

    def get_data(self, img: MetaTensor) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the array and what MONAI wants to know about it."""
        meta = {
            "affine": np.asarray(img.affine),
            "original_affine": np.asarray(img.affine),
            "spatial_shape": np.array(img.shape),
            "space": "RAS",
            "original_channel_dim": float("nan"),
        }
        return img.numpy(), meta


def read_metatensor(path: str | Path) -> MetaTensor:
    """Read a NIfTI file, or a DICOM file or series, as a `MetaTensor` (x, y, z) in RAS+.

    Args:
        path: the file, or the folder of one series.

    Raises:
        ReadError: the file is damaged, a slice is missing, the folder has several series, or the
            series states no positions.
    """
    path = Path(path)
    if path.name.lower().endswith(NiftiReader.suffixes):
        reader = NiftiReader(path)
        return MetaTensor(reader.read(0).data, affine=torch.as_tensor(reader.affine))
    study = checked_study(path)
    if len(study) != 1:
        rule = f"it holds {len(study)} series, and one is expected"
        raise ReadError(str(path), rule, "Give the folder of one series")
    values = study.read(0).data[..., 0]
    return MetaTensor(
        values.transpose(2, 1, 0).copy(), affine=torch.as_tensor(_affine(path, study))
    )


def _one(paths: Sequence[PathLike] | PathLike) -> Path:
    """Return the only path; MONAI gives it in a sequence.

    Raises:
        ReadError: there are several.
    """
    several = [str(path) for path in paths] if isinstance(paths, tuple | list) else [str(paths)]
    if len(several) != 1:
        rule = f"{len(several)} paths were given, and a volume is one"
        raise ReadError(several[0] if several else "", rule, "Give a file, or one folder")
    return Path(several[0])


def _affine(path: Path, study: DicomReader) -> np.ndarray:
    """Return the matrix from (column, row, slice) to mm in RAS+."""
    series = study.series[0]
    owners = [(part.file, frame) for part in series.parts for frame in part.frames]
    first, frame = owners[int(series.order[0])]
    geometry, spacing = first.geometry[frame], first.header.get("PixelSpacing")
    if geometry is None or spacing is None:
        rule = "it states no position or no pixel spacing, so that it has no affine"
        raise ReadError(str(path), rule, "Use a series with both")
    axes, position = geometry
    rows, columns = (float(value) for value in spacing)
    normal = np.cross(axes[:3], axes[3:])
    step = float(np.median(np.diff(series.positions))) if len(series.positions) > 1 else 1.0
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = axes[:3] * columns, axes[3:] * rows
    affine[:3, 2], affine[:3, 3] = normal * step, position
    affine[:2] *= -1  # from the patient's left and back (LPS) to RAS
    return affine
