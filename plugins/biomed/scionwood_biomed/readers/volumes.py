"""Read a file, a series, a study or a NIfTI volume as slices, after its series has been checked."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from scionwood import ReadError
from scionwood.authoring import call_in_child
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_biomed.readers.dicom_series import Series
from scionwood_biomed.readers.nifti import NiftiReader
from scionwood_biomed.readers.opening import coloured, spread, stretched
from scionwood_biomed.readers.pictures import PictureReader
from scionwood_deid import Window, to_display

GAP = 1.5
"""Distance between neighbours, relative to the median, from which a slice counts as missing."""
SAME = 1e-3
"""Distance in mm up to which two slices have the same position."""


@final
class StudyKind(NamedTuple):
    """What a study is, without its pixels.

    Attributes:
        modality: its modalities, joined by `+`; `NIfTI` or `picture` for files that state none.
        slices: the number of its slices.
    """

    modality: str
    slices: int


def study_kind(path: str | Path) -> StudyKind:
    """Return the modality and the number of slices of a study; only its headers are read.

    Args:
        path: as for `read_slices`.

    Raises:
        ReadError: see `read_slices`.
    """
    return StudyKind(*call_in_child(kind_in, Path(path)))


def kind_in(path: Path) -> tuple[str, int]:
    """Return the kind of a study in this process; see `study_kind`."""
    name = path.name.lower()
    if path.is_dir() or name.endswith(DicomReader.suffixes):
        all_series = checked_study(path).series
        names = {str(series.first.header.get("Modality", "")) or "unknown" for series in all_series}
        return "+".join(sorted(names)), sum(len(series.order) for series in all_series)
    if name.endswith(NiftiReader.suffixes):
        return "NIfTI", NiftiReader(path).shape[2]
    return "picture", 1


def read_slices(path: str | Path, *, window: Window = "file", slices: int = 16) -> np.ndarray:
    """Read evenly spaced slices of a volume, in their order along the normal, as pictures.

    Args:
        path: a DICOM or NIfTI file, a picture, a folder of one series, or of one study. The series
            of a study follow each other.
        window: CT window; see `display.to_display`.
        slices: the number of slices. Of a volume with fewer slices some are repeated.

    Returns:
        (slice, row, column, 3) float32, 0 is black and 1 is white. Slices of another size than the
        first one are scaled to it.

    Raises:
        ReadError: a file is damaged, a slice is missing or occurs twice, a series mixes modalities,
            sizes or orientations, or a study has two subjects. The message names the series.
    """
    return call_in_child(slices_of, Path(path), window, slices)


def slices_of(path: Path, window: Window, slices: int) -> np.ndarray:
    """Read slices in this process; see `read_slices`."""
    name = path.name.lower()
    if path.is_dir() or name.endswith(DicomReader.suffixes):
        pictures = _of_dicom(path, window, slices)
    elif name.endswith(NiftiReader.suffixes):
        volume = np.flip(NiftiReader(path).read(0).data, (0, 1)).T[..., None]
        stretched_volume = stretched(volume)
        pictures = [coloured(stretched_volume[at]) for at in places(len(stretched_volume), slices)]
    elif name.endswith(PictureReader.suffixes):
        (record,) = PictureReader(path)
        pictures = [record.data] * slices
    else:
        rule = "it is neither DICOM nor NIfTI nor a picture"
        raise ReadError(str(path), rule, "Give a file, a series or a study")
    return _stacked(pictures)


def places(have: int, count: int) -> list[int]:
    """Return `count` indices below `have`, evenly spaced; some repeat if there are too few."""
    if have >= count:
        return spread(have, count)
    return [int(at) for at in (np.arange(count) + 0.5) * have / count]


def check_series(series: Series, value: str) -> None:
    """Refuse a series with a missing or repeated slice, or with several modalities.

    Series without positions are not checked for gaps.

    Args:
        series: the series.
        value: what an error names.

    Raises:
        ReadError: naming what is wrong, and where.
    """
    kinds = sorted({str(part.file.header.get("Modality", "unknown")) for part in series.parts})
    if len(kinds) > 1:
        rule = f"a series has one modality, and this one has {', '.join(kinds)}"
        raise ReadError(value, rule, "Sort the files into one folder for each series")
    first = series.parts[0].file.geometry[series.parts[0].frames[0]]
    if first is None or len(series.positions) < 2:
        return
    steps = np.diff(series.positions)
    if (steps < SAME).any():
        at = series.positions[int(np.argmin(steps))]
        rule = f"two slices have the position {at:.1f} mm along the normal"
        raise ReadError(value, rule, "Give one phase, time or contrast, without copies")
    middle = float(np.median(steps))
    if (steps > GAP * middle).any():
        low = int(np.argmax(steps))
        ends = f"{series.positions[low]:.1f} and {series.positions[low + 1]:.1f} mm"
        rule = f"a slice is missing between {ends}; the others are {middle:.1f} mm apart"
        raise ReadError(value, rule, "Copy the whole series again")


def checked_study(path: Path) -> DicomReader:
    """Open a file or folder of DICOM, and check each of its series.

    Args:
        path: a file, a folder of one series, or of one study.

    Returns:
        The reader of its series.

    Raises:
        ReadError: see `read_slices`.
    """
    reader = DicomReader(path)
    subjects = {series.first.subject for series in reader.series}
    if len(subjects) > 1:
        rule = f"it holds {len(subjects)} subjects, and a study is of one"
        raise ReadError(str(path), rule, "Give the folder of one study")
    series_by_uid: dict[str, Series] = {}
    for number, series in enumerate(reader.series):
        value = f"{path}, series {number}" if len(reader) > 1 else str(path)
        check_series(series, value)
        before = series_by_uid.setdefault(series.first.series, series)
        if before is not series:
            shapes = f"{before.shape[1:3]} and {series.shape[1:3]}"
            rule = f"slices of one series differ in size, colour or orientation ({shapes} pixels)"
            raise ReadError(value, rule, "Leave out localisers, and sort the files into series")
    return reader


def _of_dicom(path: Path, window: Window, slices: int) -> list[np.ndarray]:
    reader = checked_study(path)
    counts = [len(series.order) for series in reader.series]
    starts = np.cumsum([0, *counts])
    slice_places = places(int(starts[-1]), slices)
    pictures: list[np.ndarray] = []
    for number, series in enumerate(reader.series):
        mine = [
            at - starts[number] for at in slice_places if starts[number] <= at < starts[number + 1]
        ]
        if not mine:
            continue
        show = partial(to_display, header=series.first.header, window=window)
        values = reader.read(number).data
        pictures += [coloured(show(values[at])) for at in mine]
    return pictures


def _stacked(pictures: list[np.ndarray]) -> np.ndarray:
    shape = pictures[0].shape[:2]
    return np.stack([p if p.shape[:2] == shape else _scaled(p, shape) for p in pictures])


def _scaled(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    from PIL import Image

    size = (shape[1], shape[0])
    channels = [Image.fromarray(picture[..., at]).resize(size) for at in range(3)]
    return np.stack([np.asarray(channel) for channel in channels], -1)
