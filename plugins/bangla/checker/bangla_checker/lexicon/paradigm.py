"""Generate all forms of all verbs from their stems, each form with all its readings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from bangla_checker.lexicon import verbs
from bangla_checker.text.normalise import normalise

SUBJECTS = ("ami", "tui", "tumi", "apni", "se", "tini")
"""The subjects of a form: I; you (intimate, familiar, polite); he or she (plain, honorific)."""

LEVELS = ("tui", "tumi", "apni")
"""The levels of address, from the lowest to the highest."""

TENSES = (
    "present",
    "continuous",
    "perfect",
    "past",
    "habitual",
    "past_continuous",
    "past_perfect",
    "future",
    "imperative",
    "future_imperative",
)

_PRESENT = {"ami": "ি", "tui": "িস", "tumi": "ো |", "se": "ে", "apni": "েন"}
_AFTER_VOWEL = {"ami": "ই", "tui": "স", "tumi": "ও", "se": "য়", "apni": "ন"}
_PRESENT_AUXILIARY = {"ami": "ি", "tui": "িস", "tumi": "| ো", "se": "ে", "apni": "েন"}
_PAST_AUXILIARY = {"ami": "িলাম", "tui": "িলি", "tumi": "িলে", "se": "িল িলো", "apni": "িলেন"}
_PAST = {"ami": "লাম", "tui": "লি", "tumi": "লে", "se": "ল লো", "apni": "লেন"}
_HABITUAL = {"ami": "তাম", "tui": "তিস", "tumi": "তে", "se": "ত তো", "apni": "তেন"}
_FUTURE = {"ami": "ব বো", "tui": "বি", "tumi": "বে", "se": "বে", "apni": "বেন"}
_IMPERATIVE = {"tui": "|", "tumi": "ো |", "se": "ুক", "apni": "ুন"}
_IMPERATIVE_AFTER_VOWEL = {"tui": "|", "tumi": "ও", "se": "ক", "apni": "ন"}


_GO = normalise("যাওয়া")


class Reading(NamedTuple):
    """A grammatical reading of a form.

    Attributes:
        verb: the verbal noun, the citation form of the verb.
        tense: one of `TENSES`, or `participle`, `conditional`, `infinitive`, `verbal_noun`.
        subject: one of `SUBJECTS`, or `None` for a non-finite form.
        literary: whether the form is literary (sadhu bhasha), not colloquial (cholito bhasha).
    """

    verb: str
    tense: str
    subject: str | None
    literary: bool = False


@dataclass(frozen=True)
class _Stems:
    noun: str
    present: str
    raised: str
    continuous: tuple[str, ...]
    past: str
    habitual: str
    future: tuple[str, ...]
    perfect: tuple[str, ...]
    literary: str
    style: Literal["consonant", "vowel"]


_Form = tuple[str, Reading]


@cache
def forms() -> dict[str, tuple[Reading, ...]]:
    """Return all normalised forms with all their readings."""
    by_form: dict[str, dict[Reading, None]] = {}
    for form, reading in _all_forms():
        by_form.setdefault(form, {})[reading] = None
    return {form: tuple(readings) for form, readings in by_form.items()}


@cache
def verb_names() -> tuple[str, ...]:
    """Return the verbal nouns of all verbs, in the order of the table."""
    return tuple(dict.fromkeys(reading.verb for group in forms().values() for reading in group))


def inflect(
    verb: str, tense: str, subject: str | None, *, literary: bool = False
) -> tuple[str, ...]:
    """Return the forms of a verb, the most usual first, or none for a defective verb.

    Args:
        verb: a verbal noun of `verb_names()`.
        tense: one of `TENSES`, or a non-finite one.
        subject: one of `SUBJECTS`; `None` for a non-finite form.
        literary: whether to return forms of the literary style.
    """
    return _by_reading().get(Reading(verb, tense, subject, literary), ())


@cache
def rare_verbs() -> frozenset[str]:
    """Return the verbs of which only forms with a clear ending are read as verbs."""
    nouns = [row[0] for row in (*_rows(verbs.RARE_CONSONANT), *_rows(verbs.RARE))]
    nouns += [row[0] + "নো" for row in _rows(verbs.RARE_CAUSATIVE)]
    return frozenset(nouns)


@cache
def _by_reading() -> dict[Reading, tuple[str, ...]]:
    by_reading: dict[Reading, dict[str, None]] = {}
    for form, reading in _all_forms():
        by_reading.setdefault(reading, {})[form] = None
    return {reading: tuple(group) for reading, group in by_reading.items()}


@cache
def _all_forms() -> tuple[_Form, ...]:
    # The tables are in NFC, and no ending changes under it behind a stem; a test normalises all.
    return tuple(_inflections())


def _inflections() -> Iterator[_Form]:
    for stems in _stems():
        noun = stems.noun
        for tense, endings, bases in _finite(stems):
            yield from _inflected(noun, tense, endings, bases)
        yield from _non_finite(noun, stems)
        yield from _literary(noun, stems.literary)
    for table, literary in ((verbs.DEFECTIVE, False), (verbs.LITERARY_DEFECTIVE, True)):
        for verb, cells in table.items():
            for (tense, subject), group in cells.items():
                reading = Reading(normalise(verb), tense, subject, literary)
                for form in group.split():
                    yield from _with_honoured(form, reading)


def _finite(stems: _Stems) -> Iterator[tuple[str, dict[str, str], dict[str, tuple[str, ...]]]]:
    def all_of(bases: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(SUBJECTS, bases)

    low, high = (stems.present,), (stems.raised,)
    present = all_of(low) | {"ami": high, "tui": high}
    vowel = stems.style == "vowel"
    perfect_stems = tuple(base + "েছ" for base in stems.perfect)
    yield "present", _AFTER_VOWEL if vowel else _PRESENT, present
    yield "continuous", _PRESENT_AUXILIARY, all_of(stems.continuous)
    yield "past_continuous", _PAST_AUXILIARY, all_of(stems.continuous)
    yield "perfect", _PRESENT_AUXILIARY, all_of(perfect_stems)
    yield "past_perfect", _PAST_AUXILIARY, all_of(perfect_stems)
    yield "past", _PAST, all_of((stems.past,))
    yield "habitual", _HABITUAL, all_of((stems.habitual,))
    yield "future", _FUTURE, all_of(stems.future)
    orders = _IMPERATIVE_AFTER_VOWEL if vowel else _IMPERATIVE
    yield "imperative", orders, all_of(low) | {"se": high, "apni": high}
    later = {"tui": "স" if vowel else "িস"}
    yield "future_imperative", later, {"tui": high}
    short = tuple(base.removesuffix("য়") + "ও" for base in stems.perfect if base.endswith("য়"))
    yield "future_imperative", {"tumi": "|"}, {"tumi": _suffixed(stems.perfect, "ো") + short}
    yield "future_imperative", {"se": "বে", "apni": "বেন"}, all_of(stems.future)


def _suffixed(bases: tuple[str, ...], ending: str) -> tuple[str, ...]:
    return tuple(base + ending for base in bases)


def _inflected(
    noun: str, tense: str, endings: dict[str, str], bases: dict[str, tuple[str, ...]]
) -> Iterator[_Form]:
    for subject, group in endings.items():
        key = (noun, tense, subject)
        regular = [b + e.replace("|", "") for e in group.split() for b in bases[subject]]
        for form in _irregular().get(key, regular):
            yield from _with_honoured(form, Reading(noun, tense, subject))
        for form in _also().get(key, ()):
            yield from _with_honoured(form, Reading(noun, tense, subject))


def _with_honoured(form: str, reading: Reading) -> Iterator[_Form]:
    # The polite second person and the honorific third person have the same verb forms.
    yield form, reading
    if reading.subject == "apni":
        yield form, Reading(reading.verb, reading.tense, "tini", reading.literary)


def _non_finite(noun: str, stems: _Stems) -> Iterator[_Form]:
    for base in stems.perfect:
        yield base + "ে", Reading(noun, "participle", None)
    yield stems.past + "লে", Reading(noun, "conditional", None)
    for form in _also().get((noun, "past", "tumi"), ()):
        yield form, Reading(noun, "conditional", None)
    yield stems.habitual + "তে", Reading(noun, "infinitive", None)
    yield noun, Reading(noun, "verbal_noun", None)
    oblique = ("র", "য়", "টা", "টি") if noun.endswith("া") else ("র", "য়")
    yield from ((noun + ending, Reading(noun, "verbal_noun", None)) for ending in oblique)
    for base in stems.future:
        yield base + "বার", Reading(noun, "verbal_noun", None)


def _literary(noun: str, stem: str) -> Iterator[_Form]:
    perfect = "গি" if noun == _GO else stem
    tables = (
        ("continuous", stem + "তেছ", _PRESENT_AUXILIARY),
        ("past_continuous", stem + "তেছ", _PAST_AUXILIARY),
        ("perfect", perfect + "য়াছ", _PRESENT_AUXILIARY),
        ("past_perfect", perfect + "য়াছ", _PAST_AUXILIARY),
        ("past", stem, _PAST),
        ("habitual", stem, _HABITUAL),
        ("future", stem, _FUTURE),
    )
    for tense, base, endings in tables:
        for subject, group in endings.items():
            for ending in group.split():
                reading = Reading(noun, tense, subject, literary=True)
                yield from _with_honoured(base + ending.replace("|", ""), reading)
    yield stem + "ও", Reading(noun, "future_imperative", "tumi", literary=True)
    yield stem + "বার", Reading(noun, "verbal_noun", None, literary=True)
    yield perfect + "য়া", Reading(noun, "participle", None, literary=True)
    yield stem + "লে", Reading(noun, "conditional", None, literary=True)
    yield stem + "তে", Reading(noun, "infinitive", None, literary=True)


@cache
def _irregular() -> dict[tuple[str, str, str], list[str]]:
    return {(normalise(v), t, s): f.split() for (v, t, s), f in verbs.IRREGULAR.items()}


@cache
def _also() -> dict[tuple[str, str, str], list[str]]:
    return {(normalise(v), t, s): f.split() for (v, t, s), f in verbs.ALSO.items()}


def _stems() -> Iterator[_Stems]:
    for noun, low, *other_stems in (*_rows(verbs.CONSONANT), *_rows(verbs.RARE_CONSONANT)):
        high = other_stems[0] if other_stems else low
        perfect_stem = other_stems[1] if len(other_stems) > 1 else high
        yield _Stems(
            noun,
            low,
            high,
            (high + "ছ",),
            high,
            high,
            (high,),
            (perfect_stem,),
            high + "ি",
            "consonant",
        )
    for noun, stem, going, past, habitual, future, perfect_stem, literary in _rows(verbs.VOWEL):
        continuous, later = tuple(going.split("|")), tuple(future.split("|"))
        yield _Stems(
            noun, stem, stem, continuous, past, habitual, later, (perfect_stem,), literary, "vowel"
        )
    for stem, perfect in (*_rows(verbs.CAUSATIVE), *_rows(verbs.RARE_CAUSATIVE)):
        continuous, both = (stem + "চ্ছ",), tuple(perfect.split("|"))
        yield _Stems(
            stem + "নো", stem, stem, continuous, stem, stem, (stem,), both, stem + "ই", "vowel"
        )


def _rows(table: str) -> Iterator[list[str]]:
    # Normalise first, so that the letter yya has the same spelling everywhere.
    lines = normalise(table).strip().replace("\n", ";").split(";")
    return (line.split() for line in lines)
