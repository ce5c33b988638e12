"""The codes that state the options of a de-identification in a copy."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

CODES = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
    "pixels": ("113101", "Clean Pixel Data Option"),
    "content": ("113104", "Clean Structured Content Option"),
    "descriptions": ("113105", "Clean Descriptors Option"),
    "dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "shift": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "patient": ("113108", "Retain Patient Characteristics Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "uids": ("113110", "Retain UIDs Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
}
"""Option to its code and meaning in CID 7050 of DICOM PS3.16."""

TEMPORAL = {"remove": "REMOVED", "shift": "MODIFIED", "keep": "UNMODIFIED"}
"""How LongitudinalTemporalInformationModified states the treatment of dates."""


def codes(options: Sequence[str]) -> list[Dataset]:
    """Return the items of DeidentificationMethodCodeSequence.

    Args:
        options: names of `CODES`.
    """
    items = []
    for value, meaning in sorted(CODES[name] for name in options):
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
        items.append(item)
    return items


def stated_options(dataset: Dataset) -> frozenset[str]:
    """Return the options that a copy states; none if it does not state the Basic Profile.

    Args:
        dataset: any object.
    """
    codes_of_file = {
        str(item.get("CodeValue", ""))
        for item in dataset.get("DeidentificationMethodCodeSequence") or []
        if item.get("CodingSchemeDesignator") == "DCM"
    }
    names = frozenset(name for name, (value, _) in CODES.items() if value in codes_of_file)
    return names if "basic" in names else frozenset()
