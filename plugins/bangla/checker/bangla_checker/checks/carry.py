"""Decide whether the subject of one verb is also that of the next verb in its sentence."""

from __future__ import annotations

from bangla_checker.checks.clauses import Word
from bangla_checker.checks.structure import SPAN
from bangla_checker.lexicon import function_words as fw
from bangla_checker.text.normalise import normalise

THEN = frozenset(map(normalise, ("তখন", "কিন্তু", "তাই")))
"""Words between two clauses that may have the same subject."""


def changes_subject(word: Word) -> bool:
    """Return whether a word ends its clause: "if you say so, he comes".

    Such words are conditionals and oblique verbal nouns.
    """
    tenses = {reading.tense for reading in word.readings if reading.subject is None}
    return bool(tenses & {"conditional", "verbal_noun"}) and not word.text.endswith(("া", "ো", "র"))


def may_change_subject(word: Word) -> bool:
    """Return whether a new subject may start at a word."""
    if word.pause and word.pause != "comma":
        return True
    if word.text in fw.CLAUSE_STARTS - THEN:
        return True
    pronoun = word.pronoun
    return pronoun is not None and (pronoun.nominative or pronoun.subject in ("se", "tini"))


def is_transparent(word: Word) -> bool:
    """Return whether a word is surely no subject of the next verb."""
    has_analysis = word.pronoun is not None or bool(word.readings) or word.text in fw.ADVERBS
    has_analysis = has_analysis or word.text in fw.APPOSITIONS
    return has_analysis or word.text in fw.JOINING or fw.is_oblique(word.text)


def has_other_subject(words: list[Word], at: int) -> bool:
    """Return whether the main clause has its own subject: "what you do, He knows"."""
    for word in reversed(words[max(0, at - SPAN) : at]):
        if word.text in fw.RELATIVES or word.text in fw.PERSONS:
            return True
        if word.pronoun is not None and word.pronoun.nominative:
            return word.pronoun.subject in ("se", "tini")
    return False
