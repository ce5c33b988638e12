"""DICOM: group files into series, and sort each series along the normal of its slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from scionwood import ReadError, Record, WriteError
from scionwood.authoring import RecordFunction, atomic_path, check_links, reading, writing
from scionwood_biomed.readers.base import IndexedReader, new_data
from scionwood_biomed.readers.dicom_series import Series, group
from scionwood_deid import LARGEST, DicomFile, open_file, write_sample


@final
class DicomReader(IndexedReader):
    """Read DICOM images series by series, in the units of their modality.

    The reader applies the modality LUT, or the rescale slope and intercept, per frame if frames
    have their own. CT is therefore in HU. It does not apply the VOI window and does not invert
    MONOCHROME1; `display.to_display` does both. In a folder, files without an image (structured
    reports, plans, waveforms) are skipped and listed in `skipped`. A single file without an image
    is refused.

    Files are grouped by patient, study, series, size and orientation. Slices are sorted by their
    position along the normal and not by InstanceNumber, which scanners are free to choose.

    Records hold no field that identifies a person. Their `subject` is a keyed hash of PatientID. It
    is the same for all files of a patient under one `salt`, which makes splits by subject possible.
    A file without PatientID gives no subject, and splits by subject then refuse the data.

    Args:
        path: a file, or a folder that is searched with all its subfolders.
        salt: key of the hash of PatientID; keep it as secret as the data.
        largest: maximum number of bytes that one series may take in memory.

    Attributes:
        skipped: files of the folder without a readable image, with the reason.

    Shapes: a record's data is (slice, row, column, channel) float32 with one channel, or three for
        RGB.

    Units: slice in mm along the normal if the position is known, else an index; data in HU for CT,
        else in the unit that the file states, else unknown.

    Raises:
        ReadError: the file is not DICOM, is damaged or too large, has no image, or its compression
            needs a decoder that is not installed; or a link leads out of the folder.

    Source: DICOM PS3.3 C.7.6.2 (image plane), C.7.6.16 (multi-frame), C.11.1 (modality LUT).
    """

    suffixes: ClassVar[tuple[str, ...]] = (".dcm", ".dicom")
    dims = ("slice", "row", "column", "channel")

    def __init__(self, path: str | Path, *, salt: str = "", largest: int = LARGEST) -> None:
        self.path, self.largest = Path(path), largest
        self.skipped: dict[Path, str] = {}
        files = list(self._files(salt))
        if not files:
            rule = "it has no DICOM image"
            raise ReadError(str(path), rule, "Give a file or a folder of images")
        self._series = group(files)
        units = dict.fromkeys(series.unit for series in self._series)
        self.units: Mapping[str, str] = {
            "slice": "mm",
            "row": "1",
            "column": "1",
            "channel": "1",
            "data": ", ".join(units),
        }

    @property
    def series(self) -> list[Series]:
        """The series, in the order of their first files, without anything that names a person."""
        return self._series

    def __len__(self) -> int:
        return len(self._series)

    def read(self, index: int) -> Record:
        """Read a series by its index, from 0.

        Raises:
            ReadError: its pixels are damaged, exceed `largest` bytes, or need a decoder that is not
                installed.
        """
        series = self._series[index]
        # A file is decoded whole, even if this series has only a few of its frames.
        shapes = [series.shape, *(part.file.shape for part in series.parts)]
        needed = 4 * max(int(np.prod(shape, dtype=object)) for shape in shapes)
        if needed > self.largest:
            rule = f"series {index} of {series.shape} needs {needed:,} bytes, more than `largest`"
            raise ReadError(str(self.path), f"DICOM: {rule}", "Raise `largest`, or split the files")
        data, start = np.empty(series.shape, np.float32), 0
        place = np.argsort(series.order)
        for part in series.parts:
            stop = start + len(part.frames)
            values = part.file.values(part.frames)
            if values.shape[1:] != data.shape[1:]:
                rule = f"DICOM: its pixels have the shape {values.shape[1:]}, not {data.shape[1:]}"
                raise ReadError(str(self.path), rule, "Check its lookup tables; copy it again")
            data[place[start:stop]] = values
            start = stop
        return Record(series.key(index), data, {"slice": series.positions})

    def rewrite(
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Write a copy of a single file with pixels changed by `function`; the rest is unchanged.

        Values are converted back by the inverse of slope and intercept, rounded and clipped. If no
        value changes, the file is copied byte by byte. Changed compressed pixels are written
        uncompressed.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: this reader holds a folder, the target cannot be written, the shape changed,
                or the file has colour or a lookup table, whose inverse is not unique.
        """
        if self.path.is_dir() or len(self._series) != 1:
            rule = "it is a folder or has several series"
            raise WriteError(str(self.path), rule, "Rewrite each file by itself")
        (series,) = self._series
        after = new_data(self.path, self.read(0), function)
        frames: np.ndarray | None = None
        if after is not None:
            frames = np.empty_like(after)
            frames[series.order] = after
        with writing(target), atomic_path(target, overwrite=overwrite) as part:
            series.parts[0].file.copy_with(part, frames)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write an axial CT slice of a cylinder of water with a rod of bone, 32 x 32."""
        write_sample(path)

    def _files(self, salt: str) -> Iterator[DicomFile]:
        if not self.path.is_dir():
            with reading(self.path, "DICOM"):
                yield open_file(self.path, salt)
            return
        with reading(self.path, "DICOM"):
            check_links(self.path, "DICOM")
        for path in sorted(item for item in self.path.rglob("*") if item.is_file()):
            try:
                with reading(path, "DICOM"):
                    yield open_file(path, salt)
            except ReadError as error:
                self.skipped[path] = error.rule
