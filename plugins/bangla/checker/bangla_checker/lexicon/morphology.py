"""Analyse a word as a verb form with its endings, and generate it again from the analysis.

`generate` returns every word of which `analyse` gives the analysis, and no other word.
"""

from __future__ import annotations

from typing import NamedTuple

from bangla_checker.lexicon.paradigm import Reading, forms, inflect
from bangla_checker.text.normalise import normalise

EMPHASIS = ("ই", "ও", "তো")
NEGATED = "নি"
"""The ending of the negated perfect, whose verb is in the present tense."""

_NEGATIONS = (NEGATED, "না", "নাই", "নে")
_SHORTEST = 2  # the letters of a form with an ending: a single letter is no verb in practice


class Analysis(NamedTuple):
    """A verb form with its endings.

    Attributes:
        reading: the form without endings.
        ending: emphasis and negation as they are written: `ই`, `নি`, `ইনি`, `নাকো`, or nothing.
    """

    reading: Reading
    ending: str = ""


def _all_endings() -> tuple[str, ...]:
    negated = [e + negation for negation in _NEGATIONS for e in ("", *EMPHASIS[:2])]
    tails = [n + tail for n in negated for tail in ("", *EMPHASIS)]
    return tuple(normalise(ending) for ending in (*EMPHASIS, *tails, "নাকো"))


ENDINGS = _all_endings()
"""All endings. Emphasis stands before or behind a negation."""


def analyse(word: str) -> tuple[Analysis, ...]:
    """Return every analysis of a word as a verb form, the one without an ending first.

    Example:
        >>> from bangla_checker.lexicon.morphology import analyse, generate
        >>> [(a.reading.verb, a.reading.tense, a.ending) for a in analyse("করেননি")][:1]
        [('করা', 'present', 'নি')]
        >>> all("করেননি" in generate(analysis) for analysis in analyse("করেননি"))
        True
    """
    return tuple(
        Analysis(reading, ending)
        for bare, ending in splits(word)
        for reading in forms().get(bare, ())
        if fits(reading, ending)
    )


def generate(analysis: Analysis) -> tuple[str, ...]:
    """Return the words of an analysis, the most usual first.

    Args:
        analysis: a reading with an ending that fits it.
    """
    verb, tense, subject, literary = analysis.reading
    if not fits(analysis.reading, analysis.ending):
        return ()
    bases = inflect(verb, tense, subject, literary=literary)
    return tuple(
        base + analysis.ending for base in bases if not analysis.ending or len(base) >= _SHORTEST
    )


def fits(reading: Reading, ending: str) -> bool:
    """Return whether a form can have an ending: negation stands behind finite forms only."""
    if ending in ("", *EMPHASIS):
        return True
    if "নে" in ending:  # "I do not", জানিনে; behind other persons it is the end of a noun
        return reading.tense == "present" and reading.subject == "ami"
    if NEGATED in ending or "নাই" in ending:
        return reading.tense == "present" and reading.subject is not None
    return reading.subject is not None


def splits(word: str) -> list[tuple[str, str]]:
    """Return a word as a form and each ending with which it may end, without an ending first."""
    fitting = (e for e in ENDINGS if word.endswith(e) and len(word) >= len(e) + _SHORTEST)
    return [(word, ""), *((word[: -len(ending)], ending) for ending in fitting)]
