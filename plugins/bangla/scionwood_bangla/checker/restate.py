"""Rewrite a text at another level of address, or at mixed levels."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from scionwood_bangla.checker import check_text
from scionwood_bangla.checker.findings import Evidence
from scionwood_bangla.lexicon import LEVELS

_ROUNDS = 4
Change = tuple[int, int, str]
"""The start, the end (exclusive) and the replacement."""


def restate(text: str, level: str) -> str | None:
    """Return a text rewritten so that everybody is addressed at one level.

    Pronouns and verbs without a subject are replaced by their forms at that level. Then verbs are
    made to agree with their pronouns. A respectful vocative such as জনাব stays, so a text with one
    can only be restated at the level `apni`.

    Args:
        text: the text. It is normalised.
        level: `tui`, `tumi` or `apni`.

    Returns:
        The rewritten text, or `None` if the checker cannot rewrite it without a fault.

    Examples:
        >>> from scionwood_bangla.api import restate
        >>> restate("তুমি কেমন আছ?", "apni")
        'আপনি কেমন আছেন?'
    """
    for _ in range(_ROUNDS):
        findings = check_text(text, [level])
        changes = [_change(item, level) for item in findings.evidence if level not in item.levels]
        changes += [
            (fault.start, fault.end, fault.suggestions[0])
            for fault in findings.faults
            if fault.rule == "agreement" and fault.suggestions
        ]
        if not any(changes):
            is_done = findings.levels == {level} and not findings.faults
            return findings.text if is_done else None
        text = _replaced(findings.text, [change for change in changes if change is not None])
    return None


def mix_levels(text: str, random: Random) -> str | None:
    """Return a text in which the level of some words of address is changed.

    Args:
        text: the text. It is normalised.
        random: draws the words to change and their new levels.

    Returns:
        The changed text, or `None` if no change leads to a fault.
    """
    findings = check_text(text)
    changes = []
    for item in findings.evidence:
        others = [level for level in LEVELS if level not in item.levels]
        change = _change(item, random.choice(others)) if others else None
        if change is not None:
            changes.append(change)
    if not changes:
        return None
    count = random.randint(1, max(1, len(changes) - 1))
    changed = check_text(_replaced(findings.text, random.sample(changes, count)))
    return changed.text if changed.faults else None


def is_right(text: str, levels: frozenset[str]) -> bool:
    """Return whether a text addresses somebody, without a fault, only at accepted levels.

    The score `register_match` of a corpus is the share of such texts.

    Args:
        text: the text.
        levels: the accepted levels.
    """
    findings = check_text(text)
    return bool(findings.levels) and not findings.faults and findings.levels <= levels


def count_faults(text: str, levels: frozenset[str]) -> int:
    """Return the number of faults of address. A text that addresses nobody counts as one fault.

    Args:
        text: the text.
        levels: the accepted levels.
    """
    findings = check_text(text, levels)
    return len(findings.faults) + (not findings.levels)


def _change(item: Evidence, level: str) -> Change | None:
    instead = item.suggestions.get(level, ())
    return (item.start, item.start + len(item.word), instead[0]) if instead else None


def _replaced(text: str, changes: Sequence[Change]) -> str:
    for start, end, instead in sorted(set(changes), reverse=True):
        text = text[:start] + instead + text[end:]
    return text
