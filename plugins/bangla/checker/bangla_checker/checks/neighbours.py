"""Find words whose level is odd among their neighbours, for prose in which speakers change.

In long prose a speaker or an addressee changes without a mark. So a level is not compared over the
text, but with the words near it, and never across a sign that somebody else speaks.
"""

from __future__ import annotations

import re
from collections import Counter

from bangla_checker.checks.findings import Evidence
from bangla_checker.text.normalise import normalise

_SPEECH_VERB = re.compile(
    "|".join(
        map(
            normalise,
            (
                "বলল|বলেন|বললো|বললেন|বলে |কইল|জিজ্ঞেস|জিজ্ঞাসা|জবাব|চেঁচি|চিৎকার|উত্তর",
                "বলুন|বলো|বলবে|বলবি|জানিয়ে দ|শুনিয়ে দ|(?:^|\\s)(?:হে|ওহে|ওরে)\\s",
                r'["\n:“”‘’]',
                " [-–—]+|--",
            ),
        )
    )
)
_SAY = re.compile(
    normalise("(?:বলুন|বলো|বল|(?:বলে|শুনিয়ে|জানিয়ে) (?:দিন|দাও|দে)|(?:জিজ্ঞেস|জিজ্ঞাসা) কর(?:ুন|ো|))$")
)
_PHRASE = 16
_ENDS = re.compile("[।?!]")
_DASH = re.compile("[-–—;]")
_SIDE, _REACH, _CLOSE, _CLAUSE = 3, 400, 80, 70
_QUOTATION = 500


def odd_in_quotation(text: str, items: list[Evidence]) -> str | None:
    """Return the level of most words of a short quotation, or `None` if there is no such level."""
    start, end = items[0].start, items[-1].start
    counts = Counter(level for item in items for level in item.levels)
    (top, top_count), *runners_up = counts.most_common(2)
    even = bool(runners_up) and runners_up[0][1] == top_count
    if even or end - start >= _QUOTATION or _SPEECH_VERB.search(text[start:end]):
        return None
    return top


def odd_words(text: str, items: list[Evidence]) -> list[tuple[Evidence, str]]:
    """Return the words with another level than their neighbours, each with the expected level.

    A pronoun is compared with pronouns of its number, since one person and several may be
    addressed by turns. A verb has no number, so it is compared with both. An order to say
    something is not judged: what follows has another speaker.
    """
    outliers = []
    for k, item in enumerate(items):
        if len(item.levels) > 1 or (not item.pronoun and _orders_to_say(text, item)):
            continue
        level = _in_clause(text, items, k) or _neighbour_level(text, items, k)
        if level is not None and level not in item.levels:
            outliers.append((item, level))
    return outliers


def _in_clause(text: str, items: list[Evidence], k: int) -> str | None:
    item = items[k]
    before = next((o for o in reversed(items[max(0, k - _SIDE) : k]) if _comparable(item, o)), None)
    if before is None or len(before.levels) > 1 or not (before.pronoun or item.pronoun):
        return None
    gap = text[before.start : item.start]
    if len(gap) >= _CLAUSE or any(mark.search(gap) for mark in (_ENDS, _SPEECH_VERB, _DASH)):
        return None
    return _only(before)


def _neighbour_level(text: str, items: list[Evidence], k: int) -> str | None:
    near = [other for step in (-1, 1) for other in _side(text, items, k, step)]
    certain = {_only(other) for other in near if len(other.levels) == 1}
    if len(certain) != 1:
        return None
    gaps = [_gap(text, other, items[k]) for other in near]
    close = any(len(gap) < _CLOSE and len(_ENDS.findall(gap)) < 2 for gap in gaps)
    several = sum(len(other.levels) == 1 for other in near) >= 2
    return certain.pop() if several or close else None


def _side(text: str, items: list[Evidence], k: int, step: int) -> list[Evidence]:
    neighbours: list[Evidence] = []
    at = k + step
    while 0 <= at < len(items) and len(neighbours) < _SIDE:
        gap = _gap(text, items[k], items[at])
        if len(gap) > _REACH or _SPEECH_VERB.search(gap):
            break
        if _comparable(items[k], items[at]):
            neighbours.append(items[at])
        at += step
    return neighbours


def _comparable(item: Evidence, other: Evidence) -> bool:
    if not item.pronoun:
        return True
    return other.pronoun and item.plural == other.plural


def _orders_to_say(text: str, item: Evidence) -> bool:
    return bool(_SAY.search(text[max(0, item.start - _PHRASE) : item.start + len(item.word)]))


def _gap(text: str, first: Evidence, second: Evidence) -> str:
    low, high = sorted((first.start, second.start))
    return text[low:high]


def _only(item: Evidence) -> str:
    (level,) = item.levels
    return level
