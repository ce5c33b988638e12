"""Determine who is addressed at which level, and find the words that deviate from it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import final

from bangla_checker.checks.clauses import Word
from bangla_checker.checks.findings import Evidence, Fault, Findings, Rule
from bangla_checker.checks.letters import looks_like_letter, parts
from bangla_checker.checks.neighbours import odd_in_quotation, odd_words
from bangla_checker.lexicon import LEVELS
from bangla_checker.lexicon import function_words as fw
from bangla_checker.lexicon.words import polite_calls
from bangla_checker.messages import Message, either
from bangla_checker.text.normalise import BENGALI, normalise

Addressee = tuple[int | str, str]

_UNMARKED = 12
_APOSTROPHE = re.compile(normalise(r"(?:^|[\s,।!?\"])(?:হে|ওহে) "))

SHORT_TEXT = 150
"""Up to how many words a text is taken to address each person at one level throughout."""


@final
class Addressees:
    """The current addressee of each voice. A vocative changes it.

    Attributes:
        polite: the addressees called by a respectful word, such as জনাব.
    """

    def __init__(self) -> None:
        self.polite: set[Addressee] = set()
        self._called: dict[int | str, str] = {}

    def of(self, words: list[Word], findings: Findings) -> Addressee:
        """Return the addressee of a sentence: its vocative, or else the previous addressee.

        Args:
            words: the words of the sentence.
            findings: the findings so far, with the evidence of the previous sentences.
        """
        voice = words[0].token.voice
        name = _vocative(words)
        if name:
            before: Addressee = (voice, self._called.get(voice, ""))
            has_evidence = any(item.addressee == before for item in findings.evidence[-64:])
            if before[1] or has_evidence:
                self._called[voice] = name
            if name in polite_calls():
                self.polite.add((voice, self._called.get(voice, "")))
        return voice, self._called.get(voice, "")


def address_faults(
    findings: Findings, polite: Iterable[Addressee], register: frozenset[str] | None
) -> list[Fault]:
    """Return a fault for each word whose level differs from the level of its addressee.

    A short text or a letter addresses each person at one level throughout. In longer prose only a
    word that is odd among its neighbours is a fault.

    Args:
        findings: the findings with all evidence.
        polite: the addressees called by a respectful word.
        register: the accepted levels. `None` accepts all levels.
    """
    if register is None and has_no_marks(findings.text):
        return []
    groups: dict[Addressee, list[Evidence]] = {}
    for item in findings.evidence:
        groups.setdefault(item.addressee, []).append(item)
    if not _is_whole(findings.text):
        if register is not None:
            return [f for items in groups.values() for f in _faults(items, _usual(items), register)]
        return [fault for who, items in groups.items() for fault in _odd(findings, who, items)]
    called = set(polite)
    faults: list[Fault] = []
    for who, items in groups.items():
        level = "apni" if who in called else _usual(items)
        faults += _faults(items, level, register, called=who in called)
    return [*faults, *_plain_requests(findings, groups, called)]


def has_no_marks(text: str) -> bool:
    """Return whether a text of some length has no punctuation, so that speakers cannot be told."""
    words = len(re.findall(f"[{BENGALI}]+", text.strip()))
    return words > _UNMARKED and not re.search(r"[।॥?!.,;:\"\n]", text.strip())


def _is_whole(text: str) -> bool:
    if looks_like_letter(parts(text)):
        return True
    return len(re.findall(f"[{BENGALI}]+", text)) <= SHORT_TEXT and not _APOSTROPHE.search(text)


def _odd(findings: Findings, who: Addressee, items: list[Evidence]) -> Iterator[Fault]:
    text, voice = findings.text, who[0]
    if isinstance(voice, int) and voice > 0:
        level = odd_in_quotation(text, items)
        if level is not None:
            yield from _faults(items, level, None)
            return
    for item, level in odd_words(text, items):
        yield from _faults([item], level, None)


def _plain_requests(
    findings: Findings, groups: dict[Addressee, list[Evidence]], called: set[Addressee]
) -> Iterator[Fault]:
    # "Sir, ... grant my leave" with a plain verb, which agrees with nobody but the reader.
    for item in findings.requests:
        polite = item.addressee in called
        evidence = groups.get(item.addressee, [])
        if polite or (evidence and all(other.levels == {"apni"} for other in evidence)):
            rule: Rule = "vocative" if polite else "addressee"
            reason = Message("{word} is plain, but the reader is addressed", word=item.word)
            yield _build_fault(item, rule, reason, "apni")


def _faults(
    items: list[Evidence], level: str, register: frozenset[str] | None, *, called: bool = False
) -> Iterator[Fault]:
    for item in items:
        fault = _fault(item, level, called, register)
        if fault is not None:
            yield fault


def _usual(items: list[Evidence]) -> str:
    # The most frequent level. A tie goes to the level that occurs first.
    counts = Counter(level for item in items for level in sorted(item.levels))
    highest = max(counts.values())
    return next(lv for item in items for lv in sorted(item.levels) if counts[lv] == highest)


def _fault(
    item: Evidence, level: str, called: bool, register: frozenset[str] | None
) -> Fault | None:
    allowed = frozenset(LEVELS) if register is None else register
    if not item.levels & allowed:
        lowest = min(LEVELS.index(lv) for lv in item.levels)
        over = lowest > max(map(LEVELS.index, allowed))
        rule: Rule = "over_formal" if over else "register"
        target = level if level in allowed else max(allowed, key=LEVELS.index)
        names = {"what": _describe(item), "levels": either([lv for lv in LEVELS if lv in allowed])}
        return _build_fault(
            item, rule, Message("{what}, but {levels} is expected", **names), target
        )
    if level in item.levels or (level not in allowed and not called):
        return None
    if called:
        reason = Message("{what}, after a respectful vocative", what=_describe(item))
        return _build_fault(item, "vocative", reason, level)
    rule = "mixing" if item.pronoun else "addressee"
    names = {"what": _describe(item), "level": level}
    reason = Message("{what}, but elsewhere the level is {level}", **names)
    return _build_fault(item, rule, reason, level)


def _build_fault(item: Evidence, rule: Rule, reason: str, level: str) -> Fault:
    end, instead = item.start + len(item.word), item.replacement(level)
    proposal = (instead.proposed, instead.doubt)
    return Fault(rule, item.start, end, item.word, reason, *proposal)


def _describe(item: Evidence) -> str:
    levels = either([level for level in LEVELS if level in item.levels])
    return Message("{word} is {levels}", word=item.word, levels=levels)


def _vocative(words: list[Word]) -> str:
    # One or two words before the first comma. None of them is a verb, a pronoun or an interjection.
    if len(words) > 2 and words[1].pause == "colon":
        words = words[1:]  # behind the label of a speaker
    for i, word in enumerate(words[1:3], 1):
        if word.pause == "comma":
            called = words[:i]
            return "" if any(_calls_nobody(w) for w in called) else called[-1].text
        if word.pause:
            return ""
    return words[-1].text if len(words) < 3 and words[-1].text in polite_calls() else ""


def _calls_nobody(word: Word) -> bool:
    return bool(word.pronoun or word.readings) or word.text in fw.INTERJECTIONS
