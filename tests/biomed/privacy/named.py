"""Images with a name in their pixels, of kinds whose header does not give it away."""

from __future__ import annotations

import numpy as np
import pydicom
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

NAME = "QUINLEVAN^JOHN 84719305"
SIZE = (120, 200)
CLASS = "1.2.840.10008.5.1.4.1.1."

KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "CR": ("1", {"Modality": "CR"}),
    "CR that says NO": ("1", {"Modality": "CR", "BurnedInAnnotation": "NO"}),
    "CR of MONOCHROME1": ("1", {"Modality": "CR", "PhotometricInterpretation": "MONOCHROME1"}),
    "CT": ("2", {"Modality": "CT"}),
    "CT, SCREEN": ("2", {"Modality": "CT", "ImageType": ["DERIVED", "SECONDARY", "SCREEN"]}),
    "CT, DOSE_INFO": ("2", {"Modality": "CT", "ImageType": ["DERIVED", "SECONDARY", "DOSE_INFO"]}),
    "MR": ("4", {"Modality": "MR"}),
    "MR, CAPTURE": ("4", {"Modality": "MR", "ImageType": ["DERIVED", "SECONDARY", "CAPTURE"]}),
    "PT": ("128", {"Modality": "PT"}),
    "US without a modality": ("6.1", {"Modality": ""}),
    "US that says NO": ("6.1", {"Modality": "US", "BurnedInAnnotation": "NO"}),
    "slide label": (
        "77.1.6",
        {"Modality": "SM", "ImageType": ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]},
    ),
    "RT portal": (
        "481.1",
        {"Modality": "RTIMAGE", "ImageType": ["ORIGINAL", "PRIMARY", "PORTAL"]},
    ),
    "bone density": ("1.1", {"Modality": "BMD"}),
    "capture that says NO": ("7", {"Modality": "OT", "BurnedInAnnotation": "NO"}),
    "DX that says NO": ("1.1", {"Modality": "DX", "BurnedInAnnotation": "NO"}),
    "colour of CR": ("1", {"Modality": "CR", "PhotometricInterpretation": "RGB"}),
}


def named(kind: str, *, frames: int = 1, bits: int = 16) -> Dataset:
    """Return an image with a name in its upper left corner, in all frames.

    Of MONOCHROME1 the name is white too. A frame of 16 bits has its window in the file.
    """
    sop, fields = KINDS[kind]
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CLASS + sop, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.PatientName, dataset.PatientID = "Quinlevan^John", "84719305"
    dataset.ImageType, dataset.PhotometricInterpretation = ["ORIGINAL", "PRIMARY"], "MONOCHROME2"
    for name, value in fields.items():
        setattr(dataset, name, value)
    colour = dataset.PhotometricInterpretation == "RGB"
    bits = 8 if colour else bits
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    body = 40 + 60 * np.exp(-(((x - 100) / 60) ** 2) - ((y - 70) / 40) ** 2)
    picture = Image.fromarray(body.astype(np.uint8))
    ImageDraw.Draw(picture).text((6, 6), NAME, fill=250)
    values = np.asarray(picture).astype(np.uint16 if bits == 16 else np.uint8)
    if bits == 16:
        values = values * 16
        dataset.WindowCenter, dataset.WindowWidth = 2000, 4000
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        values = (4095 if bits == 16 else 255) - values
    if colour:
        values = np.repeat(values[..., None], 3, -1)
        dataset.PlanarConfiguration = 0
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.Rows, dataset.Columns = SIZE
    dataset.BitsAllocated = bits
    dataset.BitsStored, dataset.HighBit = (12, 11) if bits == 16 else (8, 7)
    dataset.PixelRepresentation = 0
    if frames > 1:
        dataset.NumberOfFrames = frames
    dataset.PixelData = np.stack([values] * frames).tobytes()
    meta = dataset.file_meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def write(path, kind, **options):
    """Write such an image, and return the path."""
    named(kind, **options).save_as(path, enforce_file_format=True)
    return path


def reads_name(path) -> bool:
    """Return whether the pixels of the name still differ from what lies around them."""
    dataset = pydicom.dcmread(path)
    shown = dataset.pixel_array.reshape(-1, *SIZE, int(dataset.SamplesPerPixel))
    return bool((np.ptp(shown[:, 6:18, 6:140].astype(int), axis=(1, 2)) > 0).any())
