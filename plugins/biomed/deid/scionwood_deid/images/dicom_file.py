"""One DICOM file: a header without identity, pixels in modality units, and a changed copy."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    generate_uid,
)

from scionwood_deid.images import limits
from scionwood_deid.images.dicom_header import as_json, without_identity
from scionwood_deid.images.subjects import pseudonym, same_subject
from scionwood_sandbox import ReadError, WriteError, check_inflated, reading

_COLOUR = ("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
_TAGS = ["PixelData", "FloatPixelData", "DoubleFloatPixelData"]


@final
@dataclass(frozen=True)
class DicomFile:
    """The header of an image file, without anything that identifies a person.

    Attributes:
        path: the file.
        subject: a keyed hash of PatientID, or `None` if PatientID is empty.
        series: a hash of study and series, so that no UID leaves the file.
        shape: number of frames, rows, columns and channels.
        geometry: one entry per frame: the directions of rows and columns (6,) and the position (3,)
            in mm, in the patient's coordinates (LPS); `None` if the file does not state them.
        order: acquisition and instance number, which sort slices without a position.
        elements: Modality, PhotometricInterpretation, the window, and what else `display` needs,
            in the JSON model of DICOM, which a child can send.
    """

    path: Path
    subject: str | None
    series: str
    shape: tuple[int, int, int, int]
    geometry: tuple[tuple[np.ndarray, np.ndarray] | None, ...]
    order: tuple[int, int]
    elements: Mapping[str, Any] = field(repr=False)

    @cached_property
    def header(self) -> Dataset:
        """The elements as a data set of pydicom."""
        with reading(self.path, "DICOM"):
            return Dataset.from_json(dict(self.elements))

    def values(self, frames: Sequence[int]) -> np.ndarray:
        """Read frames in modality units.

        Args:
            frames: indices of the frames in the file.

        Returns:
            (frame, row, column, channel) float32.

        Raises:
            ReadError: the pixels are damaged, or need a decoder that is not installed.
        """
        with reading(self.path, "DICOM"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom warns about odd but readable headers
            shape = self.shape[2], self.shape[0] * self.shape[1]
            limits.check_pixels(self.path, "DICOM", shape, self.path.stat().st_size)
            dataset = pydicom.dcmread(self.path)
            stored = pixel_array(dataset).reshape((*self.shape[:3], -1))
            if self.header.PhotometricInterpretation == "PALETTE COLOR":
                stored = apply_color_lut(stored[..., 0], dataset)[..., :3]
                depth = dataset.RedPaletteColorLookupTableDescriptor[2]
                coloured: np.ndarray = stored[list(frames)] / (2**depth - 1)
                return coloured.astype(np.float32)
            if self.shape[3] == 3:
                return _rgb(stored, dataset)[list(frames)]
            return np.stack([_modality(stored[i], dataset, i) for i in frames])

    def copy_with(self, target: Path, after: np.ndarray | None) -> None:
        """Write a copy of the file with new values.

        Args:
            target: file to write.
            after: (frame, row, column, channel), in modality units, in the order of the file;
                `None` copies the bytes.

        Raises:
            WriteError: the stored values cannot be recovered uniquely from modality units.
        """
        if after is None:
            target.write_bytes(self.path.read_bytes())
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(self.path)
        if self.shape[3] != 1 or "ModalityLUTSequence" in dataset or "PixelData" not in dataset:
            rule = "it has colour, a lookup table or float pixels, whose inverse is not unique"
            raise WriteError(str(self.path), rule, "Write the result as NIfTI")
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            dataset.decompress(generate_instance_uid=False)
        slopes = np.array([_rescale(dataset, i) for i in range(self.shape[0])])
        stored = (after[..., 0] - slopes[:, 1, None, None]) / slopes[:, 0, None, None]
        bits, signed = dataset.BitsStored, int(dataset.PixelRepresentation)
        order = "<" if dataset.original_encoding[1] else ">"
        kind = np.dtype(f"{order}{'i' if signed else 'u'}{dataset.BitsAllocated // 8}")
        low, high = -signed * (1 << (bits - 1)), (1 << (bits - signed)) - 1
        pixels = np.frombuffer(dataset.PixelData, kind, stored.size).reshape(stored.shape).copy()
        # The others keep all bits: float32 has 24, and unused ones may hold an overlay.
        changed = after[..., 0] != self.values(range(self.shape[0]))[..., 0]
        pixels[changed] = np.clip(np.rint(stored[changed]), low, high).astype(kind)
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(target)


def open_file(path: Path, salt: str) -> DicomFile:
    """Read the header of a file and check the declared sizes against the file.

    Args:
        path: the file.
        salt: key of the hash of PatientID.

    Raises:
        ReadError: the file has no image, or declares more pixels than it can hold.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = checked_header(path)
        shape = _shape(path, header, any(tag in header for tag in _TAGS))
        return _file(path, header, shape, salt)


def checked_header(path: Path) -> Dataset:
    """Read the elements of a file, after the sizes that it declares were checked.

    Args:
        path: the file; it need not hold an image.

    Raises:
        ReadError: it inflates to too much, or declares more pixels than it can hold.
    """
    meta = pydicom.filereader.read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        start = 144 + meta.FileMetaInformationGroupLength  # preamble, prefix, group length
        check_inflated(path, "DICOM", skip=start, window=-15, largest=limits.INFLATED)
    header = pydicom.dcmread(path, defer_size=4096, specific_tags=None)
    kinds = [tag for tag in _TAGS if tag in header]
    if kinds and {"Rows", "Columns"} <= set(header.dir()):
        _check_size(path, header, _shape(path, header, True), kinds[0])
    return header


def write_sample(path: Path) -> None:
    """Write an axial CT slice of a cylinder of water with a rod of bone, 32 x 32, 12 bits."""
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    hu = np.full((32, 32), -1000.0)
    hu[x**2 + y**2 < 0.8] = 0
    hu[(x - 0.3) ** 2 + y**2 < 0.05] = 700
    uids = [generate_uid(entropy_srcs=[f"scionwood sample {i}"]) for i in range(3)]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, uids[0]
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uids[1:]
    dataset.Modality, dataset.PatientID, dataset.InstanceNumber = "CT", "phantom", 1
    dataset.ImageOrientationPatient, dataset.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 5]
    dataset.PixelSpacing = [1.0, 1.0]
    dataset.Rows = dataset.Columns = 32
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation, dataset.RescaleSlope, dataset.RescaleIntercept = 0, 1, -1024
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    dataset.PixelData = (hu + 1024).astype("<u2").tobytes()
    dataset.save_as(path, enforce_file_format=True)


def _file(path: Path, header: Dataset, shape: tuple[int, int, int, int], salt: str) -> DicomFile:
    identity = str(header.get("PatientID", "") or "").strip()
    uid = f"{header.get('StudyInstanceUID', '')}/{header.get('SeriesInstanceUID', path)}"
    safe_header = without_identity(header)
    file = DicomFile(
        path,
        pseudonym(same_subject(identity), salt) if identity else None,
        pseudonym(f"{same_subject(identity)}/{uid}", salt),
        shape,
        tuple(_geometry(header, frame) for frame in range(shape[0])),
        (_integer(header, "AcquisitionNumber"), _integer(header, "InstanceNumber")),
        as_json(safe_header),
    )
    vars(file)["header"] = (
        safe_header  # here it is known already; elsewhere it is made of `elements`
    )
    return file


def frame_item(dataset: Dataset, frame: int, sequence: str) -> Dataset | None:
    """Return the item of a functional group, of the frame itself or shared by all frames.

    Args:
        dataset: a file's header.
        frame: index of the frame.
        sequence: keyword of the functional group.
    """
    for groups, index in (
        ("PerFrameFunctionalGroupsSequence", frame),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        items = dataset.get(groups)
        if items and index < len(items) and items[index].get(sequence):
            item: Dataset = items[index][sequence][0]
            return item
    return None


def _shape(path: Path, header: Dataset, image: bool) -> tuple[int, int, int, int]:
    if not image or not {"Rows", "Columns"} <= set(header.dir()):
        rule = f"DICOM: it holds no image ({header.get('Modality', 'no modality')})"
        raise ReadError(str(path), rule, "Give an image file")
    frames = header.get("NumberOfFrames") or 1
    colour = str(header.get("PhotometricInterpretation", "")) in _COLOUR
    shape = (int(frames), int(header.Rows), int(header.Columns), 3 if colour else 1)
    if min(shape) < 1:
        raise ReadError(str(path), f"DICOM: it declares {shape[:3]} pixels", "Check the header")
    return shape


def _check_size(path: Path, header: Dataset, shape: tuple[int, int, int, int], tag: str) -> None:
    """Refuse pixel data that the file cannot hold, before memory is allocated for it."""
    syntax = header.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        rule = "DICOM: it does not state its transfer syntax"
        raise ReadError(str(path), rule, "Export it again with file meta information")
    samples = int(header.get("SamplesPerPixel", 1))
    bits = {"PixelData": int(header.get("BitsAllocated", 16)), "FloatPixelData": 32}.get(tag, 64)
    needed = int(np.prod(shape[:3], dtype=object)) * samples * bits // 8
    if header.get("PhotometricInterpretation") == "YBR_FULL_422":
        needed = needed * 2 // 3
    deflated = syntax == DeflatedExplicitVRLittleEndian
    inside = limits.INFLATED if deflated else path.stat().st_size
    if not syntax.is_encapsulated and needed > inside:
        rule = f"DICOM: it declares {needed:,} bytes of pixels and has {inside:,} bytes in all"
        raise ReadError(str(path), rule, "Copy it again: it is truncated, or its header is wrong")


def _rgb(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Return RGB (frame, row, column, 3) from 0 to 1; `pixel_array` has converted YBR to RGB."""
    return (stored / (2.0 ** int(dataset.BitsStored) - 1)).astype(np.float32)


def _modality(stored: np.ndarray, dataset: Dataset, frame: int) -> np.ndarray:
    """Apply the modality LUT, or slope and intercept, to one frame (row, column, 1)."""
    if "ModalityLUTSequence" in dataset:
        return np.asarray(apply_modality_lut(stored, dataset), dtype=np.float32)
    slope, intercept = _rescale(dataset, frame)
    return (stored.astype(np.float64) * slope + intercept).astype(np.float32)


def _rescale(dataset: Dataset, frame: int) -> tuple[float, float]:
    """Return the slope and intercept of a frame; 1 and 0 if the file states none."""
    item = frame_item(dataset, frame, "PixelValueTransformationSequence") or dataset
    slope = item.get("RescaleSlope")
    intercept = item.get("RescaleIntercept")
    return (1.0 if slope in (None, "", 0) else float(slope)), float(intercept or 0)


def _geometry(header: Dataset, frame: int) -> tuple[np.ndarray, np.ndarray] | None:
    plane = frame_item(header, frame, "PlaneOrientationSequence") or header
    place = frame_item(header, frame, "PlanePositionSequence") or header
    axes, position = plane.get("ImageOrientationPatient"), place.get("ImagePositionPatient")
    if not axes or not position or len(axes) != 6 or len(position) != 3:
        return None
    return np.array(axes, float), np.array(position, float)


def _integer(header: Dataset, name: str) -> int:
    value = header.get(name)
    return int(value) if value not in (None, "") else 0
