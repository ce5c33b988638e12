"""Say the same at another level of address, or at no one level, with the checker's suggestions."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from scionwood_bangla.checker import check_text
from scionwood_bangla.checker.findings import Evidence, Findings
from scionwood_bangla.lexicon import LEVELS

_ROUNDS = 4
Change = tuple[int, int, str]
"""First character, the one behind the last, and what should stand there."""


def restate(text: str, level: str) -> str | None:
    """A text with everybody addressed at one level; None where the checker cannot say it so.

    Pronouns, and verbs without a subject, take their form at that level; then verbs are made to
    agree with their pronouns. A respectful call such as জনাব stays, and then no other level can be.

    Args:
        text: any text; it is normalised.
        level: tui, tumi or apni.
    """
    for _ in range(_ROUNDS):
        found = check_text(text, [level])
        changes = [_change(item, level) for item in found.evidence if level not in item.levels]
        changes += [
            (fault.start, fault.end, fault.suggestions[0])
            for fault in found.faults
            if fault.rule == "agreement" and fault.suggestions
        ]
        if not any(changes):
            return found.text if found.levels == {level} and not found.faults else None
        text = _replaced(found.text, [change for change in changes if change is not None])
    return None


def unsettle(text: str, random: Random) -> str | None:
    """A text in which some words of address have another level than the others; None without two.

    Args:
        text: any text; it is normalised.
        random: draws which words change, and to which level.
    """
    found = check_text(text)
    changes = []
    for item in found.evidence:
        others = [level for level in LEVELS if level not in item.levels]
        change = _change(item, random.choice(others)) if others else None
        if change is not None:
            changes.append(change)
    if not changes:
        return None
    count = random.randint(1, max(1, len(changes) - 1))
    changed = check_text(_replaced(found.text, random.sample(changes, count)))
    return changed.text if changed.faults else None


def is_right(text: str, levels: frozenset[str]) -> bool:
    """Whether a text addresses somebody, without a fault, at accepted levels alone.

    The score `register_match` of a corpus is the share of such texts.

    Args:
        text: any text.
        levels: that are acceptable.
    """
    found = check_text(text)
    return bool(found.levels) and not found.faults and found.levels <= levels


def faults_of(text: str, levels: frozenset[str]) -> int:
    """How many faults of address a text has; addressing nobody counts as one.

    Args:
        text: any text.
        levels: that are acceptable.
    """
    found: Findings = check_text(text, levels)
    return len(found.faults) + (not found.levels)


def _change(item: Evidence, level: str) -> Change | None:
    instead = item.suggestions.get(level, ())
    return (item.start, item.start + len(item.word), instead[0]) if instead else None


def _replaced(text: str, changes: Sequence[Change]) -> str:
    for start, end, instead in sorted(set(changes), reverse=True):
        text = text[:start] + instead + text[end:]
    return text
