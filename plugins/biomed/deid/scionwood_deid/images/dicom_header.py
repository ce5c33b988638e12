"""What a reader keeps of a DICOM header: nothing that identifies a person."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

KEPT_TAGS = (
    "Modality",
    "SOPClassUID",
    "PhotometricInterpretation",
    "RescaleType",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "PixelSpacing",
    "SliceThickness",
    "BodyPartExamined",
    "BurnedInAnnotation",
    "ImageType",
    "BitsStored",
    "PixelRepresentation",
    "SharedFunctionalGroupsSequence",
)


def without_identity(header: Dataset) -> Dataset:
    """Return the elements that display and units need, and nothing else."""
    safe_header = Dataset()
    for name in KEPT_TAGS:
        if name in header:
            safe_header[name] = header[name]
    if header.original_encoding[1] is False:  # bytes of a big-endian file
        for item in safe_header.get("VOILUTSequence", ()):
            if isinstance(item.LUTData, bytes):
                item.LUTData = np.frombuffer(item.LUTData, ">u2").astype("<u2").tobytes()
    return safe_header


def as_json(header: Dataset) -> dict[str, Any]:
    """Return elements in the JSON model; one whose value does not fit its type is left out."""
    out: dict[str, Any] = {}
    for element in header:
        with contextlib.suppress(Exception):
            out[f"{element.tag:08X}"] = element.to_json_dict(None, 0)
    return out
