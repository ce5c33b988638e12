"""Fill the slots of a sentence at one level of address, or at changing levels."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from scionwood_bangla.lexicon import LEVELS, inflect, pronoun_for

Voice = Callable[[], str]
"""A function that returns the level of the next slot."""

_SLOT = re.compile(r"<([^<>]+)>")
_CASES = {"nom": "nominative", "gen": "genitive", "obj": "objective"}


def steady(level: str) -> Voice:
    """Return a voice with one level.

    Args:
        level: `tui`, `tumi` or `apni`.
    """
    return lambda: level


def wavering(random: Random, *, keeps: float = 0.2) -> Voice:
    """Return a voice whose level changes from slot to slot.

    Args:
        random: draws the levels.
        keeps: the probability that a slot has the level of the previous slot. By chance it would be
            1/3.
    """
    last = ""

    def voice() -> str:
        nonlocal last
        if not last or random.random() >= keeps:
            last = random.choice([level for level in LEVELS if level != last])
        return last

    return voice


def fill(sentence: str, voice: Voice) -> str:
    """Return a sentence with its slots filled by pronouns and verbs.

    Args:
        sentence: the normalised sentence with slots such as `<nom>` and `<VERB:TENSE>`.
        voice: returns the level of each slot in turn.
    """
    return _SLOT.sub(lambda match: _word(match[1], voice()), sentence)


def _word(slot: str, level: str) -> str:
    if slot in _CASES:
        return pronoun_for(level, _CASES[slot])
    verb, _, tense = slot.partition(":")
    return inflect(verb, tense, level)[0]
