"""Say whether the pixels of a DICOM image may contain text."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

OFTEN = frozenset({
    "US", "IVUS", "SC", "ES", "XC", "GM", "OT", "XA", "RF", "NM", "ECG",
    "DX", "MG", "IO", "PX", "OP", "OPT", "OPM", "OPV", "LEN", "DOC",
})  # fmt: skip
"""Modalities whose devices often write names into the pixels."""

_CAPTURES = "1.2.840.10008.5.1.4.1.1.7"
_SAVED = ("SCREEN SAVE", "SCREENSHOT", "SCREEN_SAVE")
_GREY = frozenset({"CT", "MR", "PT", "CR"})


def burned_in(dataset: Dataset) -> str:
    """Return why the pixels may contain text; empty if nothing suggests it.

    Args:
        dataset: the elements of a file, or the header that a reader kept.
    """
    annotation = str(dataset.get("BurnedInAnnotation", "")).upper()
    if annotation == "YES":
        return "the file states that text is burned in"
    if annotation == "NO":
        return ""
    modality = str(dataset.get("Modality", ""))
    kind = str(dataset.get("SOPClassUID", ""))
    if kind == SecondaryCaptureImageStorage or kind.startswith(f"{_CAPTURES}."):
        return "a secondary capture that does not state that it is free of text"
    values = dataset.get("ImageType") or []
    if any(word in str(value).upper() for value in values for word in _SAVED):
        return "a screen that was saved as an image"
    if modality in OFTEN:
        return f"{modality} images often contain text, and the file does not state that it has none"
    colour = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if modality in _GREY and not colour.startswith("MONOCHROME"):
        return f"a {modality} image in colour, as saved screens are"
    return ""
