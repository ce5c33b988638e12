"""Search a copy for words, dates and UIDs of its source, wherever they have gone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom._uid_dict import UID_dictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from scionwood_deid.profile import stated_options
from scionwood_deid.tables import rule_of
from scionwood_deid.terms import is_known_word, is_text
from scionwood_deid.verifying import elements, retained, values_of

_WORD = re.compile(r"[^\W_]{4,}")
_GROUPED = re.compile(r"(?<![\d.])\d{1,5}(?:[ ()/^=-]{1,3}\d{1,5})+(?![\d.])")
"""A number in groups, such as 555 123 456; decimals and UIDs are none."""
_LONG = 6
"""Digits of a number in groups that is searched for."""
_TEXT = frozenset({"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "UN", "OB"})
_TIMES = frozenset({"DA", "DT", "TM"})
_EXEMPT = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning", "PixelData", "ICCProfile")
"""Codes have a list, pixels are no words, and the texts of profiles are found by themselves."""

_BYTES = 4096
"""Bytes of an element that are searched for words; larger ones are pixels."""

_DUMMIES = frozenset({"removed", "unknown", "19000101", "19000101000000", "000000", "invalid"})
_COMPRESSED = 8
"""Letters of a word that is searched for in compressed pixels, where short ones occur by chance."""


def traces(source: Dataset, copy: Dataset, name: str = "") -> list[str]:
    """Return the places of a copy that hold a value of the source.

    Args:
        source: the data set that was copied.
        copy: the copy, read back from its file.
        name: the name of the copy's file.
    """
    options = stated_options(copy)
    words, uids = _of_source(source, options)
    leaks = [
        place for place, place_words in _of_copy(copy, options) if place_words & (words | uids)
    ]
    if "shift" in options:
        leaks += _unmoved(source, copy)
    if words & set(_words(name)):
        leaks.append("the name of the file")
    head = [bytes(getattr(copy, "preamble", None) or b"")]
    head += [
        str(e.value).encode()
        for e in copy.file_meta
        if e.VR != "UI" and not e.keyword.startswith("Impl")
    ]
    if words & set(_words(b" ".join(head).decode("latin-1"))):
        leaks.append("the head of the file")
    if copy.file_meta.TransferSyntaxUID.is_encapsulated and "PixelData" in copy:
        pixels = bytes(copy.PixelData).lower()
        if any(w.encode() in pixels for w in words if len(w) >= _COMPRESSED and not w.isdigit()):
            leaks.append("PixelData")
    return leaks


def _of_source(source: Dataset, options: frozenset[str]) -> tuple[set[str], set[str]]:
    """Return the words and the UIDs of a source that no list allows."""
    words: set[str] = set()
    uids: set[str] = set()
    for place, element, _ in elements(source, None):
        if element.is_empty or retained(element, options):
            continue
        if element.VR == "UI" and "uids" not in options:
            uids |= {str(uid) for uid in values_of(element) if uid and uid not in UID_dictionary}
        elif element.VR in _TEXT or (element.VR in _TIMES and not options & {"dates", "shift"}):
            words |= set(_words(_text(element))) if not place.endswith("PixelData") else set()
    for element in getattr(source, "file_meta", ()):
        if element.VR == "AE":
            words |= set(_words(str(element.value)))
    return {w for w in words if not is_known_word(w)} - _DUMMIES, uids


def _of_copy(copy: Dataset, options: frozenset[str]) -> Iterator[tuple[str, set[str]]]:
    """Yield the words and UIDs of each element that no list allows by itself."""
    for place, element, _ in elements(copy, None):
        if element.is_empty or place.endswith(_EXEMPT):
            continue
        if place in ("PatientIdentityRemoved", "DeidentificationMethod"):
            continue
        rule = rule_of(element.tag)
        texts = [str(value) for value in values_of(element)]
        if element.VR == "UI":
            yield place, set(texts)
            continue
        is_retained = retained(element, options) or (
            element.VR in _TIMES and options & {"dates", "shift"}
        )
        listed = rule is None and all(is_text(element.keyword, text) for text in texts)
        if not is_retained and not listed and element.VR in _TEXT | _TIMES:
            yield place, set(_words(_text(element)))


def _unmoved(source: Dataset, copy: Dataset) -> list[str]:
    """Return the places of dates that are the same in both."""
    before = {place: e for place, e, _ in elements(source, None) if e.VR in ("DA", "DT")}
    return [
        place
        for place, e, _ in elements(copy, None)
        if place in before and not e.is_empty and e.value == before[place].value
        and str(e.value) not in _DUMMIES
    ]  # fmt: skip


def _text(element: DataElement) -> str:
    if isinstance(element.value, bytes):
        return element.value[:_BYTES].decode("latin-1")
    return " ".join(str(value) for value in values_of(element))


def _words(text: str) -> list[str]:
    grouped = (re.sub(r"\D", "", number) for number in _GROUPED.findall(text))
    long = (number for number in grouped if len(number) >= _LONG)
    return [*(word.casefold() for word in _WORD.findall(text)), *long]
