"""DICOM: a file or a folder of files becomes series, each sorted along the normal of its slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from scionwood import Reader, ReadError, Record, WriteError, atomic_path
from scionwood_biomed.readers.bounds import LARGEST, reading
from scionwood_biomed.readers.dicom_file import DicomFile, open_file, write_sample
from scionwood_biomed.readers.dicom_series import Series, group


@final
class DicomReader(Reader):
    """Read DICOM images series by series, in the units of their modality.

    Stored values go through the modality LUT or rescale slope and intercept (of each frame, where
    frames have their own), and no further: CT comes in HU. `display.to_display` applies the VOI
    window and inverts MONOCHROME1. Files without an image (structured reports, plans, waveforms)
    in a folder are left out and listed in `skipped`; a single file without one is refused.

    Files are grouped by patient, study, series, size and orientation, and slices sorted by their
    position along the normal, not by InstanceNumber, which scanners are free to choose.

    No field that identifies a person is in a record. Its `subject` is a keyed hash of PatientID,
    the same for all files of a patient under one `salt`, so that splits by subject are possible; it
    is missing where PatientID is, and what splits by subject then refuses the data.

    Args:
        path: a file, or a folder that is searched with all its subfolders.
        salt: of the hash of PatientID; keep it as secret as the data.
        largest: the most bytes that one series may take in memory.

    Attributes:
        skipped: files of the folder that hold no image or cannot be read, with the reason.

    Shapes: a record's data is (slice, row, column, channel), float32; one channel, or three (RGB).

    Units: slices in mm along their normal where the position is known, else by index; data in HU
        (CT), else in the units that the file states, else unknown.

    Raises:
        ReadError: no DICOM, damaged, too large, compressed in a way that no installed decoder
            knows, or without an image.

    Source: DICOM PS3.3 C.7.6.2 (image plane), C.7.6.16 (multi-frame), C.11.1 (modality LUT).
    """

    suffixes: ClassVar[tuple[str, ...]] = (".dcm", ".dicom")
    dims = ("slice", "row", "column", "channel")

    def __init__(self, path: Path, *, salt: str = "", largest: int = LARGEST) -> None:
        self.path, self.largest = Path(path), largest
        self.skipped: dict[Path, str] = {}
        files = list(self._files(salt))
        if not files:
            rule = "no DICOM image is there"
            raise ReadError(str(path), rule, "Name a file or a folder of images")
        self.series: list[Series] = group(files)
        units = dict.fromkeys(series.unit for series in self.series)
        self.units: Mapping[str, str] = {
            "slice": "mm",
            "row": "1",
            "column": "1",
            "channel": "1",
            "data": ", ".join(units),
        }

    def __len__(self) -> int:
        return len(self.series)

    def __iter__(self) -> Iterator[Record]:
        for index in range(len(self)):
            yield self.read(index)

    def read(self, index: int) -> Record:
        """The series of that index, from 0.

        Raises:
            ReadError: its pixels are damaged, too many, or need a decoder that is not installed.
        """
        series = self.series[index]
        # A file is decoded whole, also where this series has a few of its frames.
        shapes = [series.shape, *(part.file.shape for part in series.parts)]
        needed = 4 * max(int(np.prod(shape, dtype=object)) for shape in shapes)
        if needed > self.largest:
            rule = f"series {index} of {series.shape} needs {needed:,} bytes, more than `largest`"
            raise ReadError(str(self.path), f"DICOM: {rule}", "Raise `largest`, or split the files")
        data, start = np.empty(series.shape, np.float32), 0
        place = np.argsort(series.order)
        for part in series.parts:
            stop = start + len(part.frames)
            data[place[start:stop]] = part.file.values(part.frames)
            start = stop
        return Record(series.key(index), data, {"slice": series.positions})

    def rewrite(
        self, target: Path, function: Callable[[Record], np.ndarray], *, overwrite: bool = False
    ) -> None:
        """Write a copy of a single file whose pixels `function` changed; all else keeps its bytes.

        Values return to stored ones by the inverse of slope and intercept, rounded and clipped.
        Without a change the file is copied. Changed compressed pixels are written uncompressed.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: this is a folder, the disk is full, the shape changed, or the file has a
                lookup table or colour, whose inverse is not unique.
        """
        if self.path.is_dir() or len(self.series) != 1:
            raise WriteError(str(self.path), "it is a folder of series", "Rewrite file by file")
        (series,) = self.series
        before = self.read(0)
        after = np.asarray(function(Record(before.key, before.data.copy(), before.coords)))
        if after.shape != before.data.shape:
            rule = f"the data came back as {after.shape}, it was {before.data.shape}"
            raise WriteError(str(self.path), rule, "A function must keep the shape")
        frames = np.empty_like(after)
        frames[series.order] = after
        try:
            with atomic_path(Path(target), overwrite=overwrite) as part:
                series.parts[0].file.copy_with(
                    part, frames, changed=bool((after != before.data).any())
                )
        except WriteError:
            raise
        except OSError as error:
            rule = f"cannot be written ({error.strerror or error})"
            raise WriteError(str(target), rule, "Choose a folder with free space") from error

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write an axial CT slice of a cylinder of water with a rod of bone, 32 x 32."""
        write_sample(path)

    def _files(self, salt: str) -> Iterator[DicomFile]:
        if not self.path.is_dir():
            with reading(self.path, "DICOM"):
                yield open_file(self.path, salt)
            return
        for path in sorted(item for item in self.path.rglob("*") if item.is_file()):
            try:
                with reading(path, "DICOM"):
                    yield open_file(path, salt)
            except ReadError as error:
                self.skipped[path] = error.rule
