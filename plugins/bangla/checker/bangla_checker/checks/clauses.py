"""Find the finite verbs of a sentence, and the subjects with which they could agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bangla_checker.checks.tokens import Token
from bangla_checker.lexicon import Pronoun, Reading, pronoun_of, readings
from bangla_checker.lexicon import function_words as fw
from bangla_checker.lexicon.words import is_homograph
from bangla_checker.text.normalise import normalise

Role = Literal["finite", "not_finite", "unclear", "other"]
_PAUSES = ("end", "line", "comma", "dash", "colon")
_PASSIVE = frozenset(map(normalise, ("হওয়া", "যাওয়া")))
_VERBAL_NOUN_TOO = normalise("াও")
_SOFT = fw.JOINING


@dataclass
class Word:
    """A word of a sentence with its readings from the lexicon.

    Attributes:
        token: the token, with its position.
        pronoun: the reading as a personal pronoun, or `None`.
        readings: the readings as a verb form.
        last: no finite verb follows in the sentence or in the main clause.
        final: only particles follow before the next pause.
        closes: only particles follow before the end of the sentence.
        is_question: the sentence ends with a question mark.
        pause: the kind of punctuation before the word, or an empty string.
        subjects: the subjects with which its finite readings agree.
    """

    token: Token
    pronoun: Pronoun | None
    readings: tuple[Reading, ...]
    last: bool = True
    final: bool = True
    closes: bool = True
    is_question: bool = False
    pause: str = ""
    subjects: frozenset[str] = field(default_factory=frozenset)

    @property
    def ambiguous(self) -> bool:
        """Whether the word can also be a participle, an infinitive or a verbal noun."""
        return any(reading.subject is None for reading in self.readings)

    @property
    def text(self) -> str:
        """The text of the token."""
        return self.token.text


def words_of(sentence: list[Token]) -> list[Word]:
    """Return the words of a sentence, each with flags about the words that follow it.

    Two passes over the tokens keep the time linear.
    """
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
    is_question = any("?" in token.text for token in sentence[-2:] if token.kind == "end")
    closes = True
    for word in reversed(words):
        word.closes, word.is_question = closes, is_question
        closes = closes and word.text in fw.PARTICLES
    return words


def role(words: list[Word], i: int, *, led: bool) -> Role:
    """Return the role of a word with verb readings in its sentence.

    Args:
        words: the words of the sentence.
        i: the index of the word.
        led: whether a subject pronoun that still needs its verb precedes the word.
    """
    word = words[i]
    before = words[i - 1] if i else None
    if not word.readings:
        return "other"
    if not word.subjects:
        return "not_finite"
    if _impersonal(word, before):
        return "other"
    if word.text in fw.PARENTHETIC and not (led and word.last):
        return "other"
    after = words[i + 1] if i + 1 < len(words) else None
    if is_homograph(word.text) and after is not None and after.text in fw.JOINING:
        return "other"  # "tea or coffee"
    if word.ambiguous and after is not None and after.text in fw.CONJUNCTIONS and not after.pause:
        return "not_finite"  # "if you do this or that"
    if word.text.endswith(_VERBAL_NOUN_TOO) and after is not None and _is_passive(after):
        return "other"  # "even if it is typed"
    if is_homograph(word.text) and not _stands_as_verb(word, before, led):
        return "unclear" if word.final else "other"
    leads = after is not None and bool(after.readings) and not after.pause  # "having gone, ..."
    if word.ambiguous and (leads or not word.last or not word.final):
        return "not_finite"
    return "finite"


def is_order(word: Word, words: list[Word]) -> bool:
    """Return whether a form is a command to the addressee, not a wish about a third person."""
    orders = all("imperative" in r.tense for r in word.readings if r.subject)
    return orders and not any(other.text in fw.BLESSERS for other in words)


def _is_passive(after: Word) -> bool:
    return not after.pause and any(reading.verb in _PASSIVE for reading in after.readings)


def _word(token: Token, pause: str) -> Word:
    pronoun = pronoun_of(token.text)
    verb_readings = () if pronoun else readings(token.text)
    subjects = frozenset(r.subject for r in verb_readings if r.subject)
    return Word(token, pronoun, verb_readings, pause=pause, subjects=subjects)


def _look_ahead(words: list[Word], marks: list[str]) -> None:
    later, final = False, True
    for word, mark in zip(reversed(words), reversed(marks), strict=True):
        if mark in _PAUSES:
            final = True
        if word.text in fw.CONJUNCTIONS and word.text not in _SOFT:
            later = False
        word.last, word.final = not later, final
        surely = word.subjects and not word.ambiguous
        if surely and (final or not is_homograph(word.text)):
            later = True
        joins = word.text in fw.CONJUNCTIONS
        final = (final and word.text in fw.PARTICLES) or joins


def _stands_as_verb(word: Word, before: Word | None, led: bool) -> bool:
    if before is not None and not word.pause and _is_infinitive(before):
        return led or word.final  # "wants to go"
    if not word.final:
        return False
    if led or before is None:
        return led
    tenses = {reading.tense for reading in before.readings}
    return bool(tenses & {"participle", "infinitive"}) or before.text.endswith(("কে", "টি", "টা"))


def _is_infinitive(word: Word) -> bool:
    return any(reading.tense == "infinitive" for reading in word.readings)


def _impersonal(word: Word, before: Word | None) -> bool:
    # "It seems", "one has to", "it takes": impersonal verbs, which have no nominative subject.
    if "se" in word.subjects and any(reading.verb == "লাগা" for reading in word.readings):
        return True
    if before is None or not any(r.verb == "হওয়া" and r.subject == "se" for r in word.readings):
        return False
    obliged = any(reading.tense in ("infinitive", "conditional") for reading in before.readings)
    return obliged or before.text in ("মনে", "বোধ")
