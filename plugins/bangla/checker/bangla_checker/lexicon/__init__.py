"""The lexicon: Bangla verb forms and pronouns with all their readings."""

from __future__ import annotations

from bangla_checker.lexicon.paradigm import LEVELS as LEVELS
from bangla_checker.lexicon.paradigm import SUBJECTS as SUBJECTS
from bangla_checker.lexicon.paradigm import TENSES as TENSES
from bangla_checker.lexicon.paradigm import Reading as Reading
from bangla_checker.lexicon.paradigm import forms as forms
from bangla_checker.lexicon.paradigm import inflect as inflect
from bangla_checker.lexicon.paradigm import verb_names as verb_names
from bangla_checker.lexicon.pronouns import Pronoun as Pronoun
from bangla_checker.lexicon.pronouns import pronoun_for as pronoun_for
from bangla_checker.lexicon.pronouns import pronouns as pronouns
from bangla_checker.lexicon.words import never_verbs, stripped


def readings(word: str) -> tuple[Reading, ...]:
    """Return all verb readings of a word, after removal of clitics.

    Args:
        word: the normalised word. A word that is not a verb form has no readings.
    """
    if word in never_verbs():
        return ()
    for form in (word, *stripped(word)):
        if form in forms():
            is_noun = all(
                r.tense == "verbal_noun" and r.verb in never_verbs() for r in forms()[form]
            )
            return () if is_noun or form in never_verbs() else forms()[form]
    return ()


def pronoun_of(word: str) -> Pronoun | None:
    """Return the reading of a word as a pronoun, after removal of an emphatic clitic.

    Args:
        word: the normalised word.
    """
    if word == "সেই":
        return None  # 'that', very rarely 'he himself'
    for form in (word, word.removesuffix("ই"), word.removesuffix("ও")):
        if form in pronouns():
            return pronouns()[form]
    return None
