"""Group slices into series, and sort them by their position in the body."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from scionwood_deid import DicomFile, frame_item

_UNITS = {"CT": "HU"}


@final
@dataclass(frozen=True)
class FileFrames:
    """The frames of one file that belong to a series."""

    file: DicomFile
    frames: Sequence[int]


@final
@dataclass(frozen=True)
class Series:
    """Slices of one patient, study, series, size and orientation.

    Attributes:
        parts: the files; their frames, one file after another, are the unsorted slices.
        order: (slice,), the indices that sort the slices.
        positions: (slice,), ascending positions along the normal in mm; 0, 1, 2 ... if unknown.
    """

    parts: Sequence[FileFrames]
    order: np.ndarray
    positions: np.ndarray

    @property
    def first(self) -> DicomFile:
        """The first file, whose header describes the series."""
        return self.parts[0].file

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of slices, rows, columns and channels."""
        return (len(self.order), *self.first.shape[1:])

    @property
    def unit(self) -> str:
        """Unit of the values: RescaleType if the file states it, else HU for CT, else unknown."""
        header = self.first.header
        item = frame_item(header, 0, "PixelValueTransformationSequence") or header
        rescale_type = str(item.get("RescaleType", "") or "")
        if rescale_type in ("", "US"):  # US is DICOM's "unspecified"
            return _UNITS.get(str(header.get("Modality", "")), "unknown")
        return rescale_type

    @property
    def files(self) -> list[Path]:
        """The files of the series."""
        return [part.file.path for part in self.parts]

    def key(self, index: int) -> dict[str, int | str]:
        """Return what identifies the series without naming a person."""
        header = self.first.header
        key: dict[str, int | str] = {
            "series": index,
            "modality": str(header.get("Modality", "unknown")),
            "photometric": str(header.get("PhotometricInterpretation", "unknown")),
        }
        if self.first.subject is not None:
            key["subject"] = self.first.subject
        return key


def group(files: Iterable[DicomFile]) -> list[Series]:
    """Group the frames of files into series.

    Args:
        files: the headers of the files.

    Returns:
        The series, in the order of their first files.
    """
    groups: dict[tuple[object, ...], list[tuple[DicomFile, int]]] = defaultdict(list)
    for file in files:
        photometric = str(file.header.get("PhotometricInterpretation", ""))
        for frame, geometry in enumerate(file.geometry):
            # Rounded to 0.01, so that noise in the direction cosines does not split a series.
            axes = None if geometry is None else tuple(np.round(geometry[0], 2) + 0.0)
            groups[(file.series, file.shape[1:], photometric, axes)].append((file, frame))
    return [_series(slices) for slices in groups.values()]


def _series(slices: list[tuple[DicomFile, int]]) -> Series:
    keys = [_place(file, frame) for file, frame in slices]
    order = np.array(sorted(range(len(slices)), key=keys.__getitem__))
    places = np.array([key[0] for key in keys])
    has_geometry = slices[0][0].geometry[slices[0][1]] is not None
    positions = places[order] if has_geometry else np.arange(len(order), dtype=float)
    parts: dict[Path, FileFrames] = {}
    for file, frame in slices:
        before = parts[file.path].frames if file.path in parts else ()
        parts[file.path] = FileFrames(file, (*before, frame))
    return Series(tuple(parts.values()), order, positions)


def _place(file: DicomFile, frame: int) -> tuple[float, int, int, int]:
    geometry = file.geometry[frame]
    along = 0.0
    if geometry is not None:
        axes, position = geometry
        along = round(float(np.cross(axes[:3], axes[3:]) @ position), 4)
    return (along, *file.order, frame)
