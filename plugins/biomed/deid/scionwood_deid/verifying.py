"""List what a data set holds and a copy may not; this does not use the code that makes copies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, final

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from scionwood_deid.images.burned_in import burned_in
from scionwood_deid.look import NOT_LOOKED, REASONS, has_pixels, pixels_digest
from scionwood_deid.pixels import has_spare_bits
from scionwood_deid.profile import CODES, TEMPORAL, stated_options
from scionwood_deid.tables import Level, Rule, level_of, rule_of
from scionwood_deid.terms import are_terms, imaging_words, is_text, meaning_of
from scionwood_deid.unseen import lines_of

PSEUDONYM = re.compile(r"[0-9a-f]{16}")
METHOD = re.compile(r"Scionwood, basic profile of PS3\.15 \d{4}[a-z]")

MAKERS = frozenset({"Manufacturer", "ManufacturerModelName", "SoftwareVersions"})
"""Attributes that the table does not name and the option for devices retains."""

_FILLED = frozenset({
    "REMOVED", "UNKNOWN", "19000101", "19000101000000", "000000", "000Y", "0", "0.0",
    "http://removed.invalid",
})  # fmt: skip
_EMPTY = re.compile(rb"\0*")
_META = frozenset({
    "FileMetaInformationGroupLength", "FileMetaInformationVersion", "MediaStorageSOPClassUID",
    "MediaStorageSOPInstanceUID", "TransferSyntaxUID", "ImplementationClassUID",
    "ImplementationVersionName",
})  # fmt: skip
_IMAGING = re.compile(
    r"(Float|DoubleFloat)?PixelData|ICCProfile|WaveformData|SpectroscopyData|\w*LookupTableData"
    r"|LUTData|\w*PointIndexList|WaveformPaddingValue|Channel(Minimum|Maximum)Value"
)
_NUMBER = re.compile(r"[+-]?[\d.]+([eE][+-]?\d+)?")
_LETTERS = frozenset({"LO", "SH", "UC"})
_TEXT = frozenset({"LO", "SH", "UC", "LT", "ST", "UT", "UR", "AE", "PN", "AS", "UN"})


@final
@dataclass(frozen=True)
class Content:
    """What `Findings` lists of a data set, without its path and its traces.

    Attributes:
        pixels: SHA-256 of the pixels; empty without an image.
    """

    burned_in: str
    channels: list[str]
    pixels: str = ""
    identity: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    private: int = 0
    overlays: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing is listed but that nobody looked at the pixels."""
        counts = self.private + self.overlays
        return not (self.identity or self.unlisted or self.channels or counts)


def content_of(dataset: Dataset) -> Content:
    """List what a data set holds and a de-identified copy may not.

    Args:
        dataset: a file with its preamble and file meta information.
    """
    level = level_of(str(dataset.get("SOPClassUID", "")))
    hint = burned_in(dataset)
    risk = f"{NOT_LOOKED}; {hint}" if hint else NOT_LOOKED
    content = Content(
        risk if has_pixels(dataset) else "", _channels(dataset), pixels_digest(dataset)
    )
    if level is None:
        content.unlisted.append("SOPClassUID")
    options, counts = stated_options(dataset), {"private": 0, "overlays": 0}
    for place, element, allowed in elements(dataset, level):
        group = element.tag.group
        if element.tag.is_private:
            counts["private"] += 1
        elif 0x5000 <= group <= 0x50FF or 0x6000 <= group <= 0x60FF:
            counts["overlays"] += 1
        elif not element.is_empty:
            _judge(place, element, allowed, options, content)
    return replace(content, private=counts["private"], overlays=counts["overlays"])


def elements(
    dataset: Dataset, level: Level | None, prefix: str = ""
) -> Iterator[tuple[str, DataElement, str | None]]:
    """Yield the elements of a data set and of its items: place, element, type in the object."""
    for element in dataset:
        keyword = keyword_for_tag(element.tag)
        kind = level.type_of(keyword) if level is not None and keyword else None
        place = prefix + (keyword or str(element.tag))
        yield place, element, kind
        if element.VR == "SQ":
            below = level.below(keyword) if level is not None and keyword else None
            for index, item in enumerate(element.value):
                yield from elements(item, below, f"{place}[{index}].")


def values_of(element: DataElement) -> list[Any]:
    """Return the values of an element as a list."""
    value = element.value
    if isinstance(value, list | MultiValue):
        return list(value)
    return [] if value is None else [value]


def retained(element: DataElement, options: frozenset[str]) -> bool:
    """Return whether a stated option retains an attribute as it is."""
    rule = rule_of(element.tag)
    if rule is None:
        return "device" in options and element.keyword in MAKERS
    return any(action == "K" and name in options for name, action in rule.options.items())


def _judge(
    place: str, element: DataElement, kind: str | None, options: frozenset[str], content: Content
) -> None:
    """Add a finding for an element if a copy may not hold it so."""
    rule = rule_of(element.tag)
    if _is_ours(place, element, options) or retained(element, options):
        return
    if element.VR == "UI":
        all_ours = all(_is_ours_uid(str(uid), options) for uid in values_of(element))
        if not all_ours:
            content.identity.append(place)
    elif rule is not None:
        if not _is_treated(element, rule, kind, options):
            content.identity.append(place)
    elif element.VR == "PN" or (element.VR in ("DA", "DT", "TM") and not _is_filled(element)):
        if element.VR == "PN" or not options & {"dates", "shift"}:
            content.identity.append(place)
    elif element.keyword == "TextValue" and kind is not None and "content" in options:
        if not all(imaging_words(text) == text for text in map(str, values_of(element))):
            content.unlisted.append(place)
    elif kind is None or not _is_listed(element):
        content.unlisted.append(place)


def _is_treated(
    element: DataElement, rule: Rule, kind: str | None, options: frozenset[str]
) -> bool:
    """Return whether an attribute of the table holds what its action leaves."""
    if element.VR == "SQ":
        cleaned = "U" in rule.action or ("content" in rule.options and "content" in options)
        return kind in ("1", "1C") or (cleaned and kind is not None)
    if _is_filled(element):
        return kind is not None
    texts = [str(value) for value in values_of(element)]
    if "shift" in rule.options and "shift" in options:
        return element.VR in ("DA", "DT", "TM")
    if "descriptions" in rule.options and "descriptions" in options:
        return all(imaging_words(text) == text for text in texts)
    return False


def _is_filled(element: DataElement) -> bool:
    if isinstance(element.value, bytes):
        return _EMPTY.fullmatch(element.value) is not None
    return all(str(value) in _FILLED for value in values_of(element))


def _is_listed(element: DataElement) -> bool:
    """Return whether a list, or the form of a number, allows what no rule names."""
    vr, keyword, values = element.VR, element.keyword, values_of(element)
    if vr == "CS":
        return are_terms([str(value) for value in values])
    if keyword in ("CodeValue", "CodeMeaning", "CodingSchemeDesignator"):
        return True  # `_is_ours` and the item of the code have judged it
    if vr in _TEXT or vr in ("DA", "DT", "TM"):
        texts = [str(value) for value in values]
        return _is_filled(element) or (vr in _LETTERS and all(is_text(keyword, t) for t in texts))
    if vr in ("DS", "IS"):
        return all(_NUMBER.fullmatch(str(v).strip()) and len(str(v)) <= 16 for v in values)
    if vr in ("OB", "OW"):
        return _IMAGING.fullmatch(keyword) is not None or _is_filled(element)
    if vr == "SQ":
        return all(_is_known_code(item) for item in element.value)
    return True


def _is_known_code(item: Dataset) -> bool:
    """Return whether an item holds no code, or a code of the standard with its meaning."""
    if not any(name in item for name in ("CodeValue", "LongCodeValue", "URNCodeValue")):
        return True
    scheme, value = (str(item.get(n, "")).strip() for n in ("CodingSchemeDesignator", "CodeValue"))
    meaning = str(item.get("CodeMeaning", ""))
    if (scheme, value) == ("99REMOVED", "0"):
        return meaning == "REMOVED"
    return meaning == meaning_of(scheme, value)


def _is_ours(place: str, element: DataElement, options: frozenset[str]) -> bool:
    """Return whether this is what a copy states about itself."""
    if not options:
        return False
    text = str(element.value)
    if place in ("PatientID", "PatientName"):
        return PSEUDONYM.fullmatch(text) is not None
    if place == "DeidentificationMethod":
        method, *reasons = map(str, values_of(element))
        reasons_known = len(reasons) <= 1 and all(reason in REASONS for reason in reasons)
        return reasons_known and METHOD.fullmatch(method) is not None
    if place == "LongitudinalTemporalInformationModified":
        return text in TEMPORAL.values()
    if place.startswith("DeidentificationMethodCodeSequence"):
        pairs = dict(CODES.values())
        return element.VR != "SQ" or all(
            pairs.get(str(item.get("CodeValue"))) == item.get("CodeMeaning") and len(item) == 3
            for item in element.value
        )
    return place == "PatientIdentityRemoved" and text in ("YES", "NO")


def _is_ours_uid(uid: str, options: frozenset[str]) -> bool:
    if uid in UID_dictionary or not uid:
        return True
    return bool(options) and ("uids" in options or uid.startswith("2.25."))


def _channels(dataset: Dataset) -> list[str]:
    """List what lies outside of the elements."""
    lines = []
    if not _EMPTY.fullmatch(bytes(getattr(dataset, "preamble", None) or b"")):
        lines.append("the preamble is not empty")
    meta = getattr(dataset, "file_meta", None) or Dataset()
    lines += [
        f"file meta information: {e.keyword or e.tag}" for e in meta if e.keyword not in _META
    ]
    if has_spare_bits(dataset):
        lines.append("bits of the pixels outside of the samples are set")
    return lines + lines_of(dataset)
