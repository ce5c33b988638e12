"""The lexicon: Bangla verb forms and pronouns with all their readings."""

from __future__ import annotations

from functools import lru_cache

from bangla_checker.lexicon.morphology import NEGATED, fits, splits
from bangla_checker.lexicon.paradigm import LEVELS as LEVELS
from bangla_checker.lexicon.paradigm import SUBJECTS as SUBJECTS
from bangla_checker.lexicon.paradigm import TENSES as TENSES
from bangla_checker.lexicon.paradigm import Reading as Reading
from bangla_checker.lexicon.paradigm import forms as forms
from bangla_checker.lexicon.paradigm import inflect as inflect
from bangla_checker.lexicon.paradigm import rare_verbs
from bangla_checker.lexicon.paradigm import verb_names as verb_names
from bangla_checker.lexicon.pronouns import Pronoun as Pronoun
from bangla_checker.lexicon.pronouns import pronoun_for as pronoun_for
from bangla_checker.lexicon.pronouns import pronouns as pronouns
from bangla_checker.lexicon.words import never_verbs
from bangla_checker.text.normalise import normalise

_CLEAR = ("continuous", "perfect", "past_continuous", "past_perfect", "participle")
_CLEAR_ENDINGS = tuple(map(normalise, ("লাম", "লেন", "তাম", "তেন", "বেন")))
_ORDER_ENDINGS = tuple(map(normalise, ("ো", "ুন")))


@lru_cache(maxsize=1 << 16)  # a text repeats its words, and has fewer different ones
def readings(word: str) -> tuple[Reading, ...]:
    """Return the verb readings of a word in running text, after removal of endings.

    Forms that are nearly always nouns have none. `morphology.analyse` has all of them.

    Args:
        word: the normalised word. A word that is not a verb form has no readings.
    """
    if word in never_verbs() or word.removesuffix("ই").removesuffix("ও") in never_verbs():
        return ()
    for form, ending in splits(word):
        group = tuple(r for r in forms().get(form, ()) if fits(r, ending) and _is_clear(form, r))
        if group:
            is_noun = all(r.tense == "verbal_noun" and r.verb in never_verbs() for r in group)
            is_noun = is_noun or (form in never_verbs() and NEGATED not in ending)
            return () if is_noun else group
    return ()


def _is_clear(form: str, reading: Reading) -> bool:
    if reading.verb not in rare_verbs():
        return True
    if reading.tense in ("imperative", "present") and form.endswith(_ORDER_ENDINGS):
        return reading.subject in ("tumi", "apni")
    return reading.tense in _CLEAR or (reading.tense != "present" and form.endswith(_CLEAR_ENDINGS))


def pronoun_of(word: str) -> Pronoun | None:
    """Return the reading of a word as a pronoun, after removal of an emphatic clitic."""
    if word == "সেই":
        return None  # 'that', very rarely 'he himself'
    for form in (word, word.removesuffix("ই"), word.removesuffix("ও")):
        if form in pronouns():
            return pronouns()[form]
    return None
