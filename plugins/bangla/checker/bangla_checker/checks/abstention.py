"""Decide whether a verb that disagrees with a pronoun can be judged, or has another subject.

In real prose most disagreements are misparses: the verb has a noun as its subject, or belongs to
another clause. So a conflict of person is judged in short plain sentences only, and a conflict of
level is judged unless a rule of this module names another explanation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from bangla_checker.checks.clauses import Word
from bangla_checker.checks.kinds import (
    is_genitive,
    is_no_subject,
    is_nominative,
    is_phrase,
    may_be_subject,
    tenses,
)
from bangla_checker.checks.structure import SPAN
from bangla_checker.lexicon import LEVELS
from bangla_checker.lexicon import function_words as fw
from bangla_checker.lexicon.words import is_homograph
from bangla_checker.text.normalise import normalise

SECOND = frozenset(LEVELS)
THIRD = frozenset(("se", "tini"))
_FAR, _SHORT, _NEAR = 15, 7, 6
_OTHER_PERSON = "its person is not that of the pronoun, so it may have another subject"
_MIND = normalise("মনে")
_BE, _GO, _EXIST, _NOT = map(normalise, ("হওয়া", "যাওয়া", "আছে", "নয়"))
_THINGS_TOO = frozenset(map(normalise, ("হওয়া", "আছে", "লাগা", "নয়", "নেই", "থাকা")))
_OF_MIND = frozenset(map(normalise, ("পড়া", "হওয়া", "থাকা", "আসা", "লাগা")))
_NO_NEGATION = frozenset(map(normalise, ("নাই", "নেই")))
_OBJECTS = ("কে", "টা", "টি")
_AFTER_LAST = frozenset(map(normalise, ("না", "নি", "তো")))


@dataclass(frozen=True)
class Subject:
    """A subject that governs a verb.

    Attributes:
        word: the pronoun or title.
        at: its index in the sentence.
        person: one of `SUBJECTS`.
        titled: whether it is a noun with a respectful title, not a pronoun.
    """

    word: Word
    at: int
    person: str
    titled: bool = False

    @property
    def plural(self) -> bool:
        """Whether it is a plural pronoun."""
        return self.word.pronoun is not None and self.word.pronoun.case == "plural"


@dataclass(frozen=True)
class Pair:
    """A verb, and the subject with which it does not agree.

    Attributes:
        words: the words of the sentence.
        i: the index of the verb.
        subject: the subject.
        commas: the number of commas between them that may separate clauses.
        inverted: whether the subject follows the verb.
    """

    words: list[Word]
    i: int
    subject: Subject
    commas: int = 0
    inverted: bool = False

    @property
    def verb(self) -> Word:
        """The verb."""
        return self.words[self.i]

    @cached_property
    def verbs(self) -> frozenset[str]:
        """The citation forms of the finite readings."""
        return frozenset(r.verb for r in self.verb.readings if r.subject)

    @cached_property
    def between(self) -> list[Word]:
        """The words between the subject and the verb."""
        low, high = sorted((self.i, self.subject.at))
        return self.words[low + 1 : high]

    @property
    def distance(self) -> int:
        """The number of words from the subject to the verb."""
        return abs(self.i - self.subject.at)

    @property
    def before(self) -> Word | None:
        """The word before the verb."""
        return self.words[self.i - 1] if self.i else None

    @property
    def after(self) -> str:
        """The text of the word after the verb, or an empty string."""
        return self.words[self.i + 1].text if self.i + 1 < len(self.words) else ""

    @property
    def is_order(self) -> bool:
        """Whether all finite readings are imperatives."""
        return all("imperative" in r.tense for r in self.verb.readings if r.subject)


Objection = Callable[[Pair], str]
"""Returns why a disagreement is not judged, or an empty string."""


def same_person(person: str, verb: Word) -> bool:
    """Return whether a verb has the person of a subject, at any level."""
    return any(person in group and verb.subjects & group for group in (SECOND, THIRD))


def why_not_judged(pair: Pair) -> str:
    """Return why a verb that disagrees with its subject is not judged, or an empty string."""
    if not same_person(pair.subject.person, pair.verb):
        return _conflict_of_person(pair)
    if reason := _first((_order, _discourse, _far), pair):
        return reason
    if pair.subject.person in SECOND and (pair.verb.subjects <= SECOND or pair.is_order):
        return "" if not pair.commas or pair.distance <= _NEAR else "it stands behind a comma"
    return _first(_OBJECTIONS, pair)


def _first(objections: tuple[Objection, ...], pair: Pair) -> str:
    return next((reason for objection in objections if (reason := objection(pair))), "")


def _conflict_of_person(pair: Pair) -> str:
    words, verb = pair.words, pair.verb
    short = len(words) <= _SHORT and pair.subject.at == 0 and pair.distance <= _NEAR - 1
    if not short or pair.i < len(words) - 2 or any(word.pause for word in words[1:]):
        return _OTHER_PERSON
    plain = not any(may_be_subject(word) or word.text in fw.CLAUSE_STARTS for word in pair.between)
    auxiliary = _GO in pair.verbs and pair.before is not None and bool(pair.before.readings)
    doubtful = is_homograph(verb.text) or verb.ambiguous or pair.is_order or auxiliary
    doubtful = doubtful or all(r.literary for r in verb.readings) or bool(pair.verbs & _THINGS_TOO)
    return "" if plain and not doubtful and not pair.inverted else _OTHER_PERSON


def _order(pair: Pair) -> str:
    return "it may be an order" if pair.is_order and pair.subject.person in THIRD else ""


def _discourse(pair: Pair) -> str:
    text, second = pair.verb.text, pair.subject.person in SECOND
    in_mind = pair.before is not None and pair.before.text == _MIND
    supposing = in_mind and not second and text in fw.DISCOURSE | fw.SUPPOSING
    listening = pair.subject.person in THIRD and text in fw.DISCOURSE
    return "it may only keep the attention of the reader" if supposing or listening else ""


def _far(pair: Pair) -> str:
    return "it stands far from its subject" if pair.distance > _FAR else ""


def _in_mind(pair: Pair) -> str:
    in_mind = pair.before is not None and pair.before.text in fw.MINDS
    return "it may be impersonal" if in_mind and pair.verbs & _OF_MIND else ""


def _subject_follows(pair: Pair) -> str:
    if pair.subject.person not in THIRD or pair.inverted or pair.verb.final:
        return ""
    if pair.after in fw.BEFORE_CLAUSE or _only_objects_follow(pair):
        return ""
    last = len(pair.between) - 1
    filled = all(is_no_subject(word) or k == last for k, word in enumerate(pair.between))
    governed = not pair.verbs & fw.APPEARING and pair.distance <= _NEAR and filled
    return "" if governed else "its subject may follow it"


def _other_person(pair: Pair) -> str:
    if _EXIST in pair.verbs and any(word.text in fw.ONE for word in pair.between):
        return ""
    offset = 3 if pair.subject.titled else 0  # the name or office behind the title
    if any(may_be_subject(word, pronouns=False) for word in pair.between[offset:]):
        return "another person stands between it and the pronoun"
    return ""


def _impersonal(pair: Pair) -> str:
    if "se" not in pair.verb.subjects:
        return ""
    genitive = any(is_genitive(word) for word in pair.between)
    if _BE in pair.verbs and (genitive or pair.distance > 4 or is_phrase(pair.before)):
        return "it may be impersonal"
    exists = genitive or pair.distance > 5 or any(w.text in fw.EXISTENCE for w in pair.between)
    if _EXIST in pair.verbs and exists:
        return "it may be said of a thing"
    if _GO in pair.verbs and "verbal_noun" in tenses(pair.before):
        return "it may be passive"
    ends = pair.verb.final and pair.verb.last
    return "it may negate a noun" if _NOT in pair.verbs and not ends else ""


def _embedded(pair: Pair) -> str:
    if pair.after in fw.REPORTING:
        return "its clause is part of another one"
    words_left = len(pair.words) - 1 - pair.i
    at_end = words_left == 0 or (words_left == 1 and pair.after in _AFTER_LAST)
    return "it may not be a finite verb" if pair.verb.ambiguous and not at_end else ""


def _later_agrees(pair: Pair) -> str:
    near = all(word.text in fw.ADVERBS or word.pronoun for word in pair.between)
    if pair.inverted or (near and pair.verb.text not in fw.EMBEDDED):
        return ""
    for word in pair.words[pair.i + 1 : pair.i + SPAN]:
        if word.text in _NO_NEGATION:
            continue
        if word.pause or word.text in fw.CLAUSE_STARTS | fw.JOINING or is_nominative(word):
            return ""
        if pair.subject.person in word.subjects and not word.ambiguous:
            return "a later verb agrees with the pronoun"
    return ""


def _determined(pair: Pair) -> str:
    if pair.subject.word.text != "সে" or pair.distance < 2 or pair.inverted:
        return ""
    noun = pair.words[pair.subject.at + 1]
    if noun.pronoun or noun.readings or noun.text in fw.ADVERBS:
        return ""
    that = noun.text in fw.ALL or (fw.is_oblique(noun.text) and len(noun.text) > 3)
    return "its subject may not be a pronoun but the word 'that'" if that else ""


def _behind_comma(pair: Pair) -> str:
    if pair.commas and (pair.distance > 8 or pair.subject.word.text == "সে"):
        return "it stands behind a comma"
    far = pair.subject.titled and (pair.distance > _NEAR or pair.commas)
    return "it stands far from its subject" if far else ""


def _only_objects_follow(pair: Pair) -> bool:
    for word in pair.words[pair.i + 1 :]:
        if word.pause:
            return True
        is_object = word.pronoun is not None and not word.pronoun.nominative
        if not (is_object or word.text in fw.SINGLE or word.text.endswith(_OBJECTS)):
            return False
    return True


_OBJECTIONS: tuple[Objection, ...] = (
    _in_mind,
    _subject_follows,
    _other_person,
    _impersonal,
    _embedded,
    _later_agrees,
    _determined,
    _behind_comma,
)
