"""Which texts may stay: coded terms, codes, and words of imaging, each from a list."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

_FOLDER = "scionwood_deid.standard"
_WORD = re.compile(r"[^\W_]+")
_MEASURE = re.compile(r"\d{1,3}([.,]\d{1,2})?(mm|cm|t|kv|ms|s|min|deg|x\d{1,3})?")

_BARE = re.compile(r"[\d.,x-]+", re.I)
"""A number without a unit, or several of them."""
_MOST_DIGITS = 5
_SHORT = re.compile(r"[A-Z]|\d{1,2}")
_MOST_SHORT = 3

_PATTERNS: Mapping[str, re.Pattern[str]] = {
    "ConvolutionKernel": re.compile(r"[A-Z]{1,2}\d{1,2}[a-z]?"),
    "SequenceName": re.compile(r"\*?[a-z]{2,5}[23]d\d{0,2}"),
    "ImagedNucleus": re.compile(r"\d{1,3}[A-Z][a-z]?"),
    "SpecificCharacterSet": re.compile(r"(ISO_IR \d{1,3}|ISO 2022 IR \d{1,3}|GB18030|GBK)?"),
    "StackID": re.compile(r"\d{1,3}"),
    "TimezoneOffsetFromUTC": re.compile(r"[+-]\d{4}"),
}
"""Texts of a form that names a setting of the scanner."""


def is_term(value: str) -> bool:
    """Return whether a coded string is a defined term of the standard, or a small number."""
    text = value.strip()
    return not text or text in _terms() or _SHORT.fullmatch(text) is not None


def are_terms(values: Sequence[str]) -> bool:
    """Return whether all coded strings of an element may stay.

    Letters and small numbers one by one could spell a name or a number, so that few may stand
    together.

    Args:
        values: the values of the element.
    """
    short = [value for value in values if _SHORT.fullmatch(value.strip())]
    return len(short) <= _MOST_SHORT and all(map(is_term, values))


def is_text(keyword: str, value: str) -> bool:
    """Return whether a text consists of words of imaging, or has the form of a setting."""
    pattern = _PATTERNS.get(keyword)
    if pattern is not None and pattern.fullmatch(value.strip()):
        return True
    return all(word.casefold() in _words() for word in _WORD.findall(value))


def imaging_words(value: str) -> str:
    """Return the words of imaging and the measures of a description, and nothing else of it.

    Numbers without a unit that stand in groups, or have more than five digits together, go: a
    telephone or patient number is written so.
    """
    parts = [part for part in re.split(r"[\s_^,;/+()]+", value) if part]
    words = [part for part in parts if _is_imaging(part)]
    bare = [_BARE.fullmatch(part) is not None for part in words]
    digits = sum(
        sum(map(str.isdigit, p)) for p, is_bare in zip(words, bare, strict=True) if is_bare
    )
    alone = [not any(bare[max(at - 1, 0) : at] + bare[at + 1 : at + 2]) for at in range(len(words))]
    return " ".join(
        part
        for part, is_bare, is_alone in zip(words, bare, alone, strict=True)
        if not is_bare or (is_alone and digits <= _MOST_DIGITS)
    )


def is_known_word(word: str) -> bool:
    """Return whether a single word is a term or a word of imaging, in any case."""
    return word.casefold() in _words() or word.upper() in _term_words()


def meaning_of(scheme: str, value: str) -> str | None:
    """Return the meaning of a code that the standard uses, or `None` if it does not.

    Args:
        scheme: the designator of the coding scheme: `SCT`, `SRT`, `DCM`, `UCUM` and others.
        value: the code.
    """
    from pydicom.sr._snomed_dict import mapping

    if scheme in ("SRT", "SNM3", "99SDM"):
        scheme, value = "SCT", mapping["SRT"].get(value, "")
    return _codes().get((scheme, value))


@cache
def _codes() -> Mapping[tuple[str, str], str]:
    from pydicom.sr import _concepts_dict

    concepts: Mapping[str, Any] = _concepts_dict.concepts

    return {
        (scheme, value): meaning[:64]
        for scheme, names in concepts.items()
        for meanings in names.values()
        for value, (meaning, _) in meanings.items()
    }


@cache
def _terms() -> frozenset[str]:
    return frozenset([*_lines("terms.txt"), *_lines("more_terms.txt")])


@cache
def _term_words() -> frozenset[str]:
    return frozenset(word for term in _terms() for word in _WORD.findall(term))


@cache
def _words() -> frozenset[str]:
    return frozenset(_lines("words.txt"))


def _lines(name: str) -> list[str]:
    return (files(_FOLDER) / name).read_text("utf-8").split("\n")


def _is_imaging(part: str) -> bool:
    if _MEASURE.fullmatch(part.casefold()):
        return len(part) > 2 or part.isdigit()
    return all(word.casefold() in _words() for word in _WORD.findall(part))
