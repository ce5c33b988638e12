"""Make a copy of a data set that holds what the profile allows, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from copy import copy as shallow
from typing import Any, final

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from scionwood_deid.choices import Profile
from scionwood_deid.dates import shifted
from scionwood_deid.keys import Key
from scionwood_deid.tables import Level, Rule, rule_of
from scionwood_deid.terms import are_terms, imaging_words, is_term, is_text, meaning_of

TEXT = frozenset({"LO", "SH", "LT", "ST", "UT", "UC", "UR", "AE", "PN", "AS", "UN"})
TEMPORAL = frozenset({"DA", "DT", "TM"})
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

_BYTES = frozenset({
    "PixelData", "ICCProfile", "WaveformData", "LUTData", "SpectroscopyData",
    "WaveformPaddingValue", "ChannelMinimumValue", "ChannelMaximumValue", "TrianglePointIndexList",
    "EdgePointIndexList", "VertexPointIndexList", "PrimitivePointIndexList",
})  # fmt: skip
_PALETTE = re.compile(r"(Segmented)?(Red|Green|Blue|Alpha)PaletteColorLookupTableData")
_CODE = ("CodeValue", "LongCodeValue", "URNCodeValue")
_POSITIONAL = frozenset({"ImageType", "FrameType", "PatientOrientation"})

DUMMIES: dict[str, Any] = {
    "DA": "19000101", "DT": "19000101000000", "TM": "000000", "AS": "000Y", "PN": "REMOVED",
    "UR": "http://removed.invalid", "AE": "REMOVED", "CS": "UNKNOWN", "LO": "REMOVED",
    "SH": "REMOVED", "LT": "REMOVED", "ST": "REMOVED", "UT": "REMOVED", "UC": "REMOVED",
    "DS": "0", "IS": "0", "FD": 0.0, "FL": 0.0, "US": 0, "SS": 0, "UL": 0, "SL": 0, "UV": 0,
    "SV": 0, "AT": 0, "OB": b"\0\0", "OW": b"\0\0", "OF": b"\0" * 4, "OD": b"\0" * 8,
    "OL": b"\0" * 4, "OV": b"\0" * 8, "UN": b"\0\0",
}  # fmt: skip
"""What stands in place of a value that the object must have, by value representation."""


@final
class Cleaner:
    """Copy data sets of one patient by the Basic Profile.

    What the object's definition does not name goes. What Table E.1-1 names gets its action: an
    attribute of type 1 is replaced by a dummy, one of type 2 is emptied, and others are removed.
    What is left stays if it is a number, a known code, a term or a word of imaging.

    Args:
        key: the secret of the replacements.
        profile: the options.
        patient: identifies the patient; it sets the offset of dates.
        names: words in lower case that leave descriptions and reports, though they are words of
            imaging too, such as `head` of a person of that name.

    Source: DICOM PS3.15 Annex E.
    """

    def __init__(
        self, key: Key, profile: Profile, patient: str, names: Collection[str] = ()
    ) -> None:
        self.key, self.options, self.names = key, profile.options, names
        self.days = key.days(patient)

    def copy(self, dataset: Dataset, level: Level) -> Dataset:
        """Return what may stay of a data set.

        Args:
            dataset: the root of an object, or an item.
            level: what the object may hold at this place.
        """
        out = Dataset()
        coded = any(name in dataset and level.type_of(name) for name in _CODE)
        for element in dataset:
            clean_element = self._element(element, level)
            if clean_element is not None:
                out.add(shallow(clean_element))  # what is set later must not change the source
        if coded:
            _clean_code(dataset, out)
        return out

    def _element(self, element: DataElement, level: Level) -> DataElement | None:
        keyword, kind = keyword_for_tag(element.tag), None
        is_curve_or_overlay = (
            0x5000 <= element.tag.group <= 0x50FF or 0x6000 <= element.tag.group <= 0x60FF
        )
        if not element.tag.is_private and keyword and not is_curve_or_overlay:
            kind = level.type_of(keyword)
        if kind is None:
            return None
        vr = element.VR
        # A known attribute with an unknown representation hides its value from every check below.
        if vr == "UN" and dictionary_VR(element.tag) != "UN":
            vr = dictionary_VR(element.tag).split(" or ")[0]
            empty = DataElement(element.tag, vr, Sequence([]) if vr == "SQ" else None)
            return self._filled(empty, kind, level, keyword)
        # Nothing in it can tell who the patient is, and the object may have to have it.
        if element.is_empty:
            return element
        rule = rule_of(element.tag)
        if rule is not None:
            return self._ruled(element, rule, kind, level)
        return self._free(element, kind, level)

    def _ruled(
        self, element: DataElement, rule: Rule, kind: str, level: Level
    ) -> DataElement | None:
        """Apply the table, less what an option retains."""
        options = rule.options.keys() & self.options
        if any(rule.options[name] == "K" for name in options):
            if element.VR != "SQ":
                return element
            return self._items(element, level)
        if "shift" in options and element.VR in TEMPORAL:
            return self._changed(
                element, kind, level, lambda text: shifted(text, element.VR, self.days)
            )
        # A name has no words of imaging, and unknown bytes are no text.
        if "descriptions" in options and element.VR in TEXT - {"PN", "UN"}:
            return self._changed(element, kind, level, self._words)
        if "content" in options and element.VR == "SQ":
            return self._items(element, level)
        # U: replace by a UID that is consistent within the copies (PS3.15, table E.1-1a).
        if element.VR == "UI" and (rule.action.startswith("U") or kind in ("1", "1C")):
            return self._uids(element)
        if element.VR == "SQ" and "U" in rule.action:
            return self._items(element, level)
        return self._filled(element, kind, level)

    def _free(self, element: DataElement, kind: str, level: Level) -> DataElement | None:
        """Keep what no rule names if its value is on a list, or a number."""
        vr, keyword = element.VR, element.keyword
        if vr == "SQ":
            return self._items(element, level)
        if vr == "UI":
            return self._uids(element)
        if vr == "CS":
            return self._terms(element, kind, level)
        values = _values(element)
        if vr in TEMPORAL and self.options & {"shift", "dates"}:
            if "dates" in self.options:
                return element
            return self._changed(element, kind, level, lambda text: shifted(text, vr, self.days))
        if keyword == "TextValue" and "content" in self.options:
            return self._changed(element, kind, level, self._words)
        if vr in TEXT or vr in TEMPORAL:
            stays = vr in ("LO", "SH", "UC") and all(is_text(keyword, str(v)) for v in values)
            makers = keyword in ("Manufacturer", "ManufacturerModelName", "SoftwareVersions")
            stays = stays or (makers and "device" in self.options)
            return element if stays else self._filled(element, kind, level)
        # Numbers are stored as text in these, and a writer can put any text there; 16 is the
        # longest that DS may have.
        if vr in ("DS", "IS"):
            stays = all(NUMBER.fullmatch(str(v).strip()) and len(str(v)) <= 16 for v in values)
            return element if stays else self._filled(element, kind, level)
        # Raw bytes may hold anything, so that only attributes of known content stay.
        if vr in ("OB", "OW"):
            stays = keyword in _BYTES or _PALETTE.fullmatch(keyword) is not None
            return element if stays else self._filled(element, kind, level)
        return element

    def _terms(self, element: DataElement, kind: str, level: Level) -> DataElement | None:
        values = [str(value) for value in _values(element)]
        if are_terms(values):
            return element
        # The place of a value has a meaning here, so that a removed one leaves a word in its place.
        if element.keyword in _POSITIONAL:
            terms = [value if is_term(value) else "OTHER" for value in values]
        else:
            terms = [value for value in values if is_term(value)]
        if not are_terms(terms):
            terms = []
        if not terms:
            return self._filled(element, kind, level)
        return DataElement(element.tag, "CS", terms if len(terms) > 1 else terms[0])

    def _words(self, text: str) -> str:
        """Return the words of imaging of a text that name nobody."""
        words = imaging_words(text).split()
        return " ".join(w for w in words if not {*re.split(r"\W", w.casefold())} & {*self.names})

    def _uids(self, element: DataElement) -> DataElement:
        values = [
            str(value) if value in UID_dictionary or "uids" in self.options else self.key.uid(value)
            for value in _values(element)
        ]
        return DataElement(element.tag, "UI", values if len(values) > 1 else values[0])

    def _items(self, element: DataElement, level: Level) -> DataElement:
        below = level.below(element.keyword)
        items = [self.copy(item, below) for item in element.value]
        return DataElement(element.tag, "SQ", Sequence(items))

    def _changed(
        self, element: DataElement, kind: str, level: Level, change: Callable[[str], str]
    ) -> DataElement | None:
        """Replace each value by what a function leaves of it."""
        values = [change(str(value)) for value in _values(element)]
        if not all(values):
            return self._filled(element, kind, level)
        return DataElement(element.tag, element.VR, values if len(values) > 1 else values[0])

    def _filled(
        self, element: DataElement, kind: str, level: Level, keyword: str = ""
    ) -> DataElement | None:
        """Replace by a dummy, empty, or remove, as the type demands."""
        vr = element.VR
        # Type 1 needs a value, type 2 may be empty, and type 3 may be absent (PS3.5, 7.4).
        if kind == "3":
            return None
        if kind in ("2", "2C"):
            return DataElement(element.tag, vr, Sequence([]) if vr == "SQ" else None)
        if vr == "SQ":
            return self._items(element, level)
        if vr == "UI":
            return DataElement(element.tag, vr, self.key.uid(str(element.value or keyword)))
        count = max(1, len(_values(element)))
        dummy = DUMMIES[vr]
        return DataElement(element.tag, vr, [dummy] * count if count > 1 else dummy)


def _clean_code(source: Dataset, out: Dataset) -> None:
    """Keep a code of the standard with the standard's meaning; replace any other."""
    scheme = str(source.get("CodingSchemeDesignator", "")).strip()
    meaning = meaning_of(scheme, str(source.get("CodeValue", "")).strip())
    for name in (*_CODE, "CodingSchemeVersion"):
        if name in out:
            del out[name]
    # A code that no list of the standard has may be free text of its writer.
    if meaning is None:
        out.CodeValue, out.CodingSchemeDesignator, out.CodeMeaning = "0", "99REMOVED", "REMOVED"
        return
    out.CodeValue, out.CodingSchemeDesignator = str(source.CodeValue).strip(), scheme
    out.CodeMeaning = meaning


def _values(element: DataElement) -> list[Any]:
    value = element.value
    if isinstance(value, list | MultiValue):
        return list(value)
    return [] if value is None else [value]
