"""Decide by the sentence what a verb form means that may be a statement or an order.

করো is "you do" and "do!", গেলে is "you went" and "if one goes". Where the sentence does not decide,
all readings stay, and a question is asked in place of a change.
"""

from __future__ import annotations

from bangla_checker.checks.clauses import Word
from bangla_checker.lexicon import LEVELS, Reading
from bangla_checker.lexicon import function_words as fw
from bangla_checker.text.normalise import normalise

_NOT = frozenset(map(normalise, ("না", "নাকো")))
_ORDERS = ("imperative", "future_imperative")
_STATES = frozenset(
    map(
        normalise,
        ("জানা", "পারা", "চাওয়া", "পাওয়া", "ভালোবাসা", "ভালবাসা", "চেনা", "বোঝা", "মানা", "লাগা", "হওয়া"),
    )
)
_FEELINGS = frozenset(
    normalise("পছন্দ অপছন্দ ঘৃণা অনুভব আশা সন্দেহ বাস বসবাস ভয় লাভ বোধ উপলব্ধি পড়াশোনা চাকরি").split()
)
_HABITS = frozenset(
    normalise(
        "রোজ প্রতিদিন সবসময় সর্বদা সর্বদাই প্রায়ই প্রায়শই সাধারণত কখনো কখনও মাঝে নিয়মিত বরাবর "
        "প্রতি বারে যখনই যদি যখন যে যেহেতু কারণ যেখানে যত যেমন যা যেন এখনও এখনো"
    ).split()
)
_EVERY = normalise("প্রতি")
_ASKS = frozenset(normalise("দয়া অনুগ্রহ প্লিজ").split())


def settled(words: list[Word], i: int, *, led: bool) -> tuple[Reading, ...]:
    """Return the readings of a finite verb that its sentence allows.

    Args:
        words: the words of the sentence.
        i: the index of the verb, which is finite there.
        led: whether a pronoun of the second person is its subject.
    """
    word = words[i]
    group = word.readings
    if _is_finite(words, i):
        group = tuple(r for r in group if r.subject)
    person = [r for r in group if r.subject in LEVELS and not r.literary]
    tenses = {r.tense for r in person}
    led = led or any(_is_addressed(other) for other in words)
    negated = i + 1 < len(words) and words[i + 1].text in _NOT
    order = ("future_imperative",) if negated else _ORDERS[:1]
    if not tenses & {*_ORDERS}:
        return group
    if tenses <= {*_ORDERS}:
        return _only(group, order)
    if "future" in tenses:
        return _only(group, ("future",))  # a polite order in the future, too: "you will come"
    if _states(words, i, led):
        return _only(group, ("present",))
    asks = any(other.text in fw.QUESTION_WORDS for other in words)
    if asks and led:
        return _only(group, ("present",))
    if not led and not asks and not _is_habit(words):
        return _only(group, order)
    if any(other.text in _ASKS for other in words):
        return _only(group, order)
    return group


def is_order_form(
    words: list[Word], i: int, clause: list[Word], group: tuple[Reading, ...]
) -> bool:
    """Return whether a form without a subject stands where an order stands.

    Args:
        words: the words of the sentence.
        i: the index of the form, which may also be a noun or a verb of the third person.
        clause: the words of its clause before it.
        group: its readings as a verb.
    """
    word = words[i]
    if not any(r.tense == "imperative" and r.subject in LEVELS for r in group):
        return False
    others = [*words[:i], *words[i + 1 :]]  # a form may be a relative word elsewhere, as যা is
    asks = word.is_question or any(other.text in fw.QUESTION_WORDS for other in others)
    if not word.closes or asks or _is_habit(others) or not clause:
        return False
    return not any(other.pronoun is not None and other.pronoun.nominative for other in words)


def _states(words: list[Word], i: int, led: bool) -> bool:
    if words[i].is_question:
        return True
    verbs = {r.verb for r in words[i].readings}
    felt = i > 0 and words[i - 1].text in _FEELINGS
    return led and (bool(verbs & _STATES) or felt or _is_habit(words))


def _is_addressed(word: Word) -> bool:
    pronoun = word.pronoun
    return pronoun is not None and pronoun.nominative and pronoun.subject in LEVELS


def _is_habit(words: list[Word]) -> bool:
    places = zip((None, *words), words, strict=False)
    return any(w.text in _HABITS and not _is_towards(before, w) for before, w in places)


def _is_towards(before: Word | None, word: Word) -> bool:
    # প্রতি is "every", and behind a genitive "towards".
    return word.text == _EVERY and before is not None and before.text.endswith("র")


def _is_finite(words: list[Word], i: int) -> bool:
    """Whether a form that may be non-finite ends its sentence, where a finite verb stands."""
    negated_before = i > 0 and words[i - 1].text in _NOT
    return words[i].final and words[i].closes and not negated_before


def _only(group: tuple[Reading, ...], tenses: tuple[str, ...]) -> tuple[Reading, ...]:
    chosen = tuple(r for r in group if r.tense in tenses or r.subject not in LEVELS)
    return chosen if any(r.subject in LEVELS for r in chosen) else group
