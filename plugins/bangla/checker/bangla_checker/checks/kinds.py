"""Tell what kind of word a word is: a genitive, a possible subject, or surely no subject."""

from __future__ import annotations

from bangla_checker.checks.clauses import Word
from bangla_checker.lexicon import function_words as fw
from bangla_checker.lexicon import readings
from bangla_checker.text.normalise import normalise

_NOT_PLURAL = frozenset(map(normalise, ("দ্বারা", "এছাড়া", "সারা")))


def tenses(word: Word | None) -> set[str]:
    """Return the tenses of all readings of a word."""
    return {r.tense for r in readings(word.text)} if word is not None else set()


def is_phrase(before: Word | None) -> bool:
    """Return whether a word makes an impersonal phrase with "be": "it must be", "it is necessary".

    Args:
        before: the word before the form of "be".
    """
    obliged = tenses(before) & {"infinitive", "conditional", "verbal_noun"}
    return bool(obliged) or (before is not None and before.text in fw.IMPERSONAL_NOUNS)


def is_genitive(word: Word) -> bool:
    """Return whether a word ends like a genitive."""
    noun = word.pronoun is not None or len(word.text) > 2
    return word.text.endswith("র") and noun and word.text not in fw.NOT_GENITIVE


def is_nominative(word: Word) -> bool:
    """Return whether a word is a pronoun that can be a subject."""
    return word.pronoun is not None and word.pronoun.nominative


def is_no_subject(word: Word) -> bool:
    """Return whether a word is surely no noun that is a subject."""
    has_analysis = word.text in fw.ADVERBS or word.pronoun is not None or bool(word.readings)
    return has_analysis or fw.is_oblique(word.text)


def may_be_subject(word: Word, *, pronouns: bool = True) -> bool:
    """Return whether a word may be the subject of the next verb.

    Args:
        word: the word.
        pronouns: the answer for a pronoun in the nominative.
    """
    if is_nominative(word):
        return pronouns
    if word.text in fw.PERSONS:
        return True
    return fw.is_plural_noun(word.text) and len(word.text) > 4 and not _is_known(word)


def _is_known(word: Word) -> bool:
    has_analysis = word.pronoun is not None or bool(word.readings) or word.text in fw.ADVERBS
    return has_analysis or word.text in _NOT_PLURAL
