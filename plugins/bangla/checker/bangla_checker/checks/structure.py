"""Recognise determiners, lists, titles and other structures in the words of a sentence."""

from __future__ import annotations

from itertools import pairwise

from bangla_checker.checks.clauses import Word
from bangla_checker.lexicon import LEVELS
from bangla_checker.lexicon import function_words as fw
from bangla_checker.text.normalise import normalise

_DEFINITE = tuple(map(normalise, ("টুকু", "টা", "টি", "টায়", "টিতে", "টাতে", "গুলো", "গুলি")))
_STARS, _AND_SO_ON = normalise("তারা"), normalise("ইত্যাদি")
_NAME_SPAN = 4
SPAN = 40
"""How many words a search looks back or ahead, so that the work on a long sentence is linear."""


def is_determiner(words: list[Word], i: int, subject: Word | None) -> bool:
    """Return whether the pronoun `se` means 'that' before a noun."""
    if i + 1 == len(words) or words[i + 1].pause:
        return False
    noun = words[i + 1]
    if noun.text in fw.POINTED_AT:
        return True
    if subject is not None and subject.text != "সে" and not words[i].pause:
        return True
    if noun.pronoun or noun.readings or noun.text in fw.ADVERBS | fw.SINGULAR_THINGS:
        return False
    return noun.text.endswith(_DEFINITE)


def is_stars(words: list[Word], i: int) -> bool:
    """Return whether `tara` means 'stars', after a quantifier or a genitive."""
    before = words[i - 1].text if i else ""
    stars = before in fw.QUANTIFIERS or before.endswith("কার")
    return words[i].text == _STARS and stars


def is_listed(words: list[Word], i: int) -> bool:
    """Return whether the comma before a word separates the members of a list."""
    after = words[i + 1] if i + 1 < len(words) else None
    left = i >= 2 and words[i - 1].pause == "comma" and _is_member(words[i - 1])
    if left or after is None:
        return left
    right = after.pause == "comma" and _is_member(words[i])
    last = after.text in fw.JOINING and _is_member(words[i]) and _is_member(words[i - 1])
    return right or last or after.text == _AND_SO_ON


def is_title(words: list[Word], i: int) -> bool:
    """Return whether a respectful word makes the person beside it an honorific subject."""
    word = words[i]
    if i + 1 == len(words) or words[i + 1].pause:
        return False
    behind = word.text in fw.TITLES_BEHIND and i > 0 and not word.pause
    ahead = word.text in fw.TITLES and _names_subject(words[i + 1 : i + _NAME_SPAN])
    if not behind and not ahead:
        return False
    return not any(other.pronoun and other.pronoun.subject in LEVELS for other in words)


def is_other_subject(words: list[Word], i: int) -> bool:
    """Return whether a noun behind a comma starts a clause of its own."""
    follows = i > 0 and words[i - 1].pronoun is not None
    return words[i].text in fw.OTHERS and not follows and words[i].pause == "comma"


def starts_clause(words: list[Word], i: int, subject: int) -> bool:
    """Return whether a word cuts its subject off from the verbs that follow."""
    if words[i].text not in fw.CLAUSE_STARTS or (words[i].subjects and words[i].closes):
        return False  # "you became ...": the verb at the end of the sentence
    if i and words[i - 1].text in fw.QUESTION_WORDS:
        return False
    if words[i].text in fw.SAYING and i + 1 < len(words) and words[i + 1].subjects:
        return not words[i + 1].pause and words[i + 1].ambiguous  # "say it", a compound verb
    if words[i].text not in fw.BEHIND_SUBJECT or i - subject > SPAN:
        return True
    return not all(word.text in fw.ADVERBS for word in words[subject + 1 : i])


def clause_before(words: list[Word], i: int) -> list[Word]:
    """Return the words between the previous verb or pause and a word, which is not included."""
    start = i
    for after, before in pairwise(range(i, max(-1, i - SPAN), -1)):
        if words[after].pause not in ("", "comma"):
            break
        if words[before].subjects and not words[before].ambiguous and words[before].final:
            break
        start = before
    return words[start:i]


def may_be_third_person(word: Word) -> bool:
    """Return whether a word may be a subject of the third person, or another pronoun."""
    if word.pronoun is not None:
        return word.pronoun.nominative
    if word.text in fw.PERSONS or word.text in fw.APPOSITIONS:
        return True
    return fw.is_plural_noun(word.text) and not word.readings


def _names_subject(name: list[Word]) -> bool:
    if name[0].readings:
        return False  # "honoured" may be a predicate, too
    for word in name:
        if word.pause:
            return False
        if word.subjects and not word.ambiguous:
            return True
        if word.pronoun or word.text.endswith(("র", "কে", "দের")):
            return False
    return True


def _is_member(word: Word) -> bool:
    return not word.pronoun and not word.subjects
