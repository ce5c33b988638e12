"""The options of a de-identification, and the codes that state them in a copy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final, get_args

from pydicom.dataset import Dataset

from scionwood import RecipeError
from scionwood_biomed.privacy.choices import Dates, Kept

CODES = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
    "pixels": ("113101", "Clean Pixel Data Option"),
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


@final
@dataclass(frozen=True)
class Profile:
    """The Basic Profile with options.

    Attributes:
        dates: `remove` dates and times, `shift` dates by a number of days that depends on the
            patient, or `keep` them.
        keep: groups of attributes that stay: `device`, `institution`, `patient` and `uids`.
        descriptions: keep the words of imaging of descriptions.

    Raises:
        RecipeError: an option does not exist.

    Example:
        >>> from scionwood_biomed.privacy.profile import Profile
        >>> sorted(Profile(dates="shift").options)
        ['basic', 'shift']
    """

    dates: Dates = "remove"
    keep: tuple[Kept, ...] = ()
    descriptions: bool = False

    def __post_init__(self) -> None:
        """Refuse an option that does not exist."""
        for name, values, known in (
            ("dates", [self.dates], get_args(Dates)),
            ("keep", self.keep, get_args(Kept)),
        ):
            for value in values:
                if value not in known:
                    rule = f"it must be one of {', '.join(known)}"
                    raise RecipeError(f"{name} {value!r}", rule, "Correct it")

    @property
    def options(self) -> frozenset[str]:
        """The options by the names of `CODES`."""
        named: list[str] = ["basic", *self.keep]
        named += {"remove": [], "shift": ["shift"], "keep": ["dates"]}[self.dates]
        return frozenset(named + ["descriptions"] * self.descriptions)

    def mark(self) -> str:
        """Return a text that differs between profiles."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:8]


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


def stated(dataset: Dataset) -> frozenset[str]:
    """Return the options that a copy states; none if it does not state the Basic Profile.

    Args:
        dataset: any object.
    """
    held = {
        str(item.get("CodeValue", ""))
        for item in dataset.get("DeidentificationMethodCodeSequence") or []
        if item.get("CodingSchemeDesignator") == "DCM"
    }
    named = frozenset(name for name, (value, _) in CODES.items() if value in held)
    return named if "basic" in named else frozenset()
