"""What a reader keeps of a DICOM header: nothing that identifies a person."""

from __future__ import annotations

import contextlib
from typing import Any

from pydicom.dataset import Dataset

KEPT = (
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
    kept = Dataset()
    for name in KEPT:
        if name in header:
            kept[name] = header[name]
    return kept


def as_json(kept: Dataset) -> dict[str, Any]:
    """Return elements in the JSON model; one whose value does not fit its type is left out."""
    out: dict[str, Any] = {}
    for element in kept:
        with contextlib.suppress(Exception):
            out[f"{element.tag:08X}"] = element.to_json_dict(None, 0)
    return out
