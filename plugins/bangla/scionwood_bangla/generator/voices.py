"""Fill the slots of a sentence at a level of address: one level, or none that is kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from scionwood_bangla.lexicon import LEVELS, inflect, pronoun_for

Voice = Callable[[], str]
"""Gives the level of the next slot."""

_SLOT = re.compile(r"<([^<>]+)>")
_CASES = {"nom": "nominative", "gen": "genitive", "obj": "objective"}


def steady(level: str) -> Voice:
    """A speaker who keeps to one level.

    Args:
        level: tui, tumi or apni.
    """
    return lambda: level


def wavering(random: Random, *, keeps: float = 0.2) -> Voice:
    """A speaker who does not keep to a level: the next slot has the same one less often than not.

    Args:
        random: draws the levels.
        keeps: how often a slot has the level of the one before; by chance it would be a third.
    """
    last = ""

    def voice() -> str:
        nonlocal last
        if not last or random.random() >= keeps:
            last = random.choice([level for level in LEVELS if level != last])
        return last

    return voice


def fill(sentence: str, voice: Voice) -> str:
    """A sentence with its pronouns and verbs.

    Args:
        sentence: normalised, with slots such as `<nom>` and `<VERB:TENSE>`.
        voice: the level of each slot in turn.
    """
    return _SLOT.sub(lambda match: _word(match[1], voice()), sentence)


def _word(slot: str, level: str) -> str:
    if slot in _CASES:
        return pronoun_for(level, _CASES[slot])
    verb, _, tense = slot.partition(":")
    return inflect(verb, tense, level)[0]
