"""Choose the level at which a text is to be rewritten, and show what changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import unified_diff

from bangla_checker.checks import check_text
from bangla_checker.lexicon import LEVELS
from bangla_checker.lexicon.words import polite_calls


def level_of(text: str, register: Sequence[str] | None = None) -> str | None:
    """Return the level at which a text is to be rewritten, or `None` if it addresses nobody.

    A respectful word such as জনাব requires `apni`. Otherwise it is the level of most words of
    address, among the accepted levels. If none of them occurs, it is the first accepted level.

    Args:
        text: the text.
        register: the accepted levels. `None` accepts all of them.
    """
    allowed = tuple(register or LEVELS)
    findings = check_text(text)
    polite = any(call in findings.text for call in polite_calls())
    if "apni" in allowed and polite:
        return "apni"
    counts = Counter(
        level for item in findings.evidence if len(item.levels) == 1 for level in item.levels
    )
    if not counts:
        return None
    usual = max(allowed, key=lambda level: counts[level])
    return usual if counts[usual] or register else None


def diff(before: str, after: str, name: str) -> str:
    """Return the lines that change, as a unified diff."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    lines = unified_diff(old, new, name, f"{name} (fixed)", n=1)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
