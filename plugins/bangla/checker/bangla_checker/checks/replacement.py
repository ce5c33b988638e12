"""Replace a word of address by the same word at another level, where its meaning stays for certain.

This is the only place that proposes words. `check`, `check --fix`, the page and the editor show a
question where it proposes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from bangla_checker.lexicon import (
    LEVELS,
    Pronoun,
    Reading,
    forms,
    inflect,
    pronoun_for,
    pronouns,
)
from bangla_checker.lexicon.morphology import NEGATED, splits
from bangla_checker.messages import Message, either
from bangla_checker.text.normalise import normalise

PERSONS = (LEVELS, ("se", "tini"))
"""The subjects of one person. A verb at a wrong level has a reading of the right person."""
_OBJECT = normalise("কে")
QUOTED = "it is quoted, so its level is the choice of the person who speaks"


@final
@dataclass(frozen=True)
class Replacement:
    """What takes the place of a word.

    Attributes:
        form: the word; empty if its meaning is not certain.
        doubt: why there is none; empty if there is one.
    """

    form: str = ""
    doubt: str = ""

    @property
    def proposed(self) -> tuple[str, ...]:
        """The word, or nothing."""
        return (self.form,) if self.form else ()


def verb_instead(word: str, readings: tuple[Reading, ...], subject: str) -> Replacement:
    """Return a verb form with its ending, in the same tense and mood, for another subject.

    Example:
        >>> from bangla_checker.lexicon import readings
        >>> verb_instead("করোনি", readings("করোনি"), "apni").form
        'করেননি'
        >>> verb_instead("করো", readings("করো"), "apni").doubt
        'its mood is not certain: future imperative or imperative or present'
    """
    ending = _ending(word)
    if any(reading.subject is None for reading in readings) and ending != NEGATED:
        return Replacement(doubt="it may not be a finite verb")
    finite = [reading for reading in readings if reading.subject and not reading.literary]
    if ending == NEGATED:
        finite = [reading for reading in finite if reading.tense == "present"]
    person = next((group for group in PERSONS if subject in group), (subject,))
    finite = [reading for reading in finite if reading.subject in person] or finite
    if not finite:
        return Replacement(doubt="its style or its ending belongs to no form that is proposed")
    cells = dict.fromkeys((reading.verb, reading.tense) for reading in finite)
    forms = {cell: inflect(*cell, subject)[:1] for cell in cells}
    if not all(forms.values()) or len(set(forms.values())) > 1:
        moods = either(sorted({tense.replace("_", " ") for _, tense in cells}))
        return Replacement(doubt=Message("its mood is not certain: {moods}", moods=moods))
    return Replacement(next(iter(forms.values()))[0] + ending)


def pronoun_instead(word: str, pronoun: Pronoun, subject: str) -> Replacement:
    """Return a pronoun with its ending, in the same case, for another subject."""
    bare = word if word in pronouns() else word[:-1]
    form = pronoun_for(subject, pronoun.case)
    object_of = _OBJECT if pronoun.case == "plural_oblique" and bare.endswith(_OBJECT) else ""
    return Replacement(form + object_of + word[len(bare) :])


def _ending(word: str) -> str:
    """Return the ending that a verb form has behind its inflection, or nothing."""
    if word in forms():
        return ""
    return next((ending for bare, ending in splits(word) if bare in forms()), "")
