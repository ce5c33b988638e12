"""The options of a de-identification; this module imports no heavy library."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from scionwood_deid.errors import OptionError

Dates = Literal["remove", "shift", "keep"]
"""What happens to dates and times: `shift` moves dates by an offset of the patient."""

Group = Literal["device", "institution", "patient", "uids"]
"""Groups of attributes that an option of PS3.15 retains."""

if TYPE_CHECKING:
    Groups: TypeAlias = Sequence[Group] | None
else:  # what the command line can pass
    Groups = list[Group] | None


@dataclass(frozen=True)
class Profile:
    """The Basic Profile with options.

    Attributes:
        dates: remove dates and times, shift dates by a number of days of the patient, or keep them.
        keep: groups of attributes that stay, such as `device patient`: device, institution,
            patient (age, sex, size, weight) and uids.
        descriptions: keep the words of imaging of descriptions, such as "T1 AXIAL".
        reports: copy structured reports too, with their codes, their numbers, and the words of
            imaging of their texts.

    Raises:
        OptionError: an option does not exist.

    Example:
        >>> sorted(Profile(dates="shift").options)
        ['basic', 'shift']
    """

    dates: Dates = "remove"
    keep: Groups = None
    descriptions: bool = False
    reports: bool = False

    def __post_init__(self) -> None:
        """Refuse an option that does not exist."""
        object.__setattr__(self, "keep", tuple(self.keep or ()))
        for name, values, choices in (
            ("dates", [self.dates], get_args(Dates)),
            ("keep", self.keep or (), get_args(Group)),
        ):
            for value in values:
                if value not in choices:
                    rule = f"it must be one of {', '.join(choices)}"
                    raise OptionError(f"{name} {value!r}", rule, "Correct it")

    @property
    def options(self) -> frozenset[str]:
        """The options by the names of `profile.CODES`."""
        names: list[str] = ["basic", *(self.keep or ())]
        names += {"remove": [], "shift": ["shift"], "keep": ["dates"]}[self.dates]
        names += ["descriptions"] * self.descriptions + ["content"] * self.reports
        return frozenset(names)

    def mark(self) -> str:
        """Return a text that differs between profiles."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:8]


@dataclass(frozen=True, kw_only=True)
class DeidentifyOptions(Profile):
    """The secret, what stays, and what is done about pixels.

    Attributes:
        key: file with the secret of pseudonyms, UIDs and offsets of dates; keep it apart.
        make_key: make the file `key`, which must not exist.
        salt: a secret text in place of `key`; the history of a shell keeps it.
        names: a file of names, one a line; their words leave descriptions and reports, as those of
            the header do.
        pixel_rules: a file of regions to blank, in the form of the CTP's pixel anonymiser.
        ultrasound_regions: blank what lies outside of the regions that ultrasound files state.
        pixels_viewed: you looked at all images elsewhere, and their pixels hold no text of a
            person. The record `review.csv` names you, the time, and that it was declared.
        detect_text: let a text detector look at the copies for the report (extra `pixels`). That it
            sees none is no proof.
        blank_text: blank in all frames what a text detector takes for text, with the values of the
            header as hints, and let it look at the copy again (extra `pixels`). Compressed pixels
            are decompressed. The copy states NO until a person has looked.

    Example:
        >>> DeidentifyOptions(salt="secret", dates="shift").pixels_viewed
        False
    """

    key: Path | str | None = None
    make_key: bool = False
    salt: str | None = None
    names: Path | None = None
    pixel_rules: Path | None = None
    ultrasound_regions: bool = False
    pixels_viewed: bool = False
    detect_text: bool = False
    blank_text: bool = False
