"""Which words of a sentence are finite verbs, and with which subjects they could agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from scionwood_bangla.checker.tokens import Token
from scionwood_bangla.lexicon import Pronoun, Reading, pronoun_of, readings
from scionwood_bangla.lexicon.words import (
    blessers,
    conjunctions,
    is_homograph,
    joining,
    parenthetic,
    particles,
)

Role = Literal["finite", "not_finite", "unclear", "other"]
_PAUSES = ("end", "line", "comma", "dash")
_SOFT = joining()


@dataclass
class Word:
    """A word of a sentence with what the lexicon says of it.

    Attributes:
        token: where it stands.
        pronoun: its reading as a personal pronoun.
        readings: its readings as a verb.
        last: no finite verb follows before the sentence or its main clause ends.
        final: only particles follow before the next pause.
        pause: the kind of mark before it, if any.
    """

    token: Token
    pronoun: Pronoun | None
    readings: tuple[Reading, ...]
    last: bool = True
    final: bool = True
    pause: str = ""
    subjects: frozenset[str] = field(default_factory=frozenset)

    @property
    def ambiguous(self) -> bool:
        """Whether it can also be a participle, an infinitive or a verbal noun."""
        return any(reading.subject is None for reading in self.readings)

    @property
    def text(self) -> str:
        """Its letters."""
        return self.token.text


def words_of(sentence: list[Token]) -> list[Word]:
    """The words of a sentence, each knowing what follows it; two passes, so linear in time."""
    words, pause = [], ""
    marks: list[str] = []
    for token in sentence:
        if token.kind != "word":
            pause = token.kind
            if marks:
                marks[-1] = marks[-1] or token.kind
            continue
        words.append(_word(token, pause))
        marks.append("")
        pause = ""
    _look_ahead(words, marks)
    return words


def role(words: list[Word], i: int, *, led: bool) -> Role:
    """What a word with verb readings does in its place.

    Args:
        words: of the sentence.
        i: which one.
        led: a pronoun that wants a verb stands before it.
    """
    word = words[i]
    before = words[i - 1] if i else None
    if not word.readings:
        return "other"
    if not word.subjects:
        return "not_finite"
    if _impersonal(word, before):
        return "other"
    if word.text in parenthetic() and not (led and word.last):
        return "other"
    if is_homograph(word.text) and not _stands_as_verb(word, before, led):
        return "unclear" if word.final else "other"
    after = words[i + 1] if i + 1 < len(words) else None
    leads = after is not None and bool(after.readings) and not after.pause  # "having gone, ..."
    if word.ambiguous and (leads or not word.last or not word.final):
        return "not_finite"
    return "finite"


def is_order(word: Word, words: list[Word]) -> bool:
    """Whether a form is an imperative to the reader, and no wish about a third person."""
    orders = all("imperative" in r.tense for r in word.readings if r.subject)
    return orders and not any(other.text in blessers() for other in words)


def _word(token: Token, pause: str) -> Word:
    pronoun = pronoun_of(token.text)
    found = () if pronoun else readings(token.text)
    subjects = frozenset(r.subject for r in found if r.subject)
    return Word(token, pronoun, found, pause=pause, subjects=subjects)


def _look_ahead(words: list[Word], marks: list[str]) -> None:
    later, final = False, True
    for word, mark in zip(reversed(words), reversed(marks), strict=True):
        if mark in _PAUSES:
            final = True
        if word.text in conjunctions() and word.text not in _SOFT:
            later = False
        word.last, word.final = not later, final
        surely = word.subjects and not word.ambiguous
        if surely and (final or not is_homograph(word.text)):
            later = True
        joins = word.text in conjunctions()
        final = (final and word.text in particles()) or joins


def _stands_as_verb(word: Word, before: Word | None, led: bool) -> bool:
    if not word.final:
        return False
    if led or before is None:
        return led
    tenses = {reading.tense for reading in before.readings}
    return bool(tenses & {"participle", "infinitive"}) or before.text.endswith(("কে", "টি", "টা"))


def _impersonal(word: Word, before: Word | None) -> bool:
    # "It seems", "one has to", "it takes": verbs without a nominative.
    if "se" in word.subjects and any(reading.verb == "লাগা" for reading in word.readings):
        return True
    if before is None or not any(r.verb == "হওয়া" and r.subject == "se" for r in word.readings):
        return False
    obliged = any(reading.tense in ("infinitive", "conditional") for reading in before.readings)
    return obliged or before.text in ("মনে", "বোধ")
