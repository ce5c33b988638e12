"""Rewrite a text at another level of address, or at mixed levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import final

from bangla_checker.checks import check_text
from bangla_checker.checks.findings import Evidence, Fault, Findings
from bangla_checker.checks.replacement import QUOTED
from bangla_checker.checks.tokens import Token, sentences, tokenise
from bangla_checker.lexicon import LEVELS
from bangla_checker.text.normalise import normalise

_ROUNDS = 4
Change = tuple[int, int, str]
"""The start, the end (exclusive) and the replacement."""


@final
@dataclass(frozen=True)
class Rewriting:
    """A text in which what is certain is rewritten at one level.

    Attributes:
        text: the text.
        complete: whether everybody whom the writer addresses is addressed at that level, without a
            fault.
        questions: the faults at words for which nothing is proposed, with positions in `text`. They
            keep sentences as they are; those of quoted speech keep the quotation.
    """

    text: str
    complete: bool
    questions: tuple[Fault, ...] = ()


def rewrite(text: str, level: str) -> Rewriting:
    """Rewrite the sentences of a text at one level, each of them whole or not at all.

    A sentence stays as it is if the ending or the mood of a form in it is not kept for certain. So
    does quoted speech. `check_text` asks a question at these words.

    Args:
        text: the text. It is normalised.
        level: `tui`, `tumi` or `apni`.
    """
    findings = check_text(text, [level])
    before = tokenise(findings.text)
    for _ in range(_ROUNDS):
        certain_changes = [
            change for change in _certain(findings, level).values() if change is not None
        ]
        if not certain_changes:
            break
        findings = check_text(_replaced(findings.text, certain_changes), [level])
    after = tokenise(findings.text)
    wrong = {fault.start for fault in findings.faults if fault.rule != "structure"}
    unfinished = _unfinished(after, wrong | {*_certain(findings, level)})
    changes = [
        (token.start, token.end, new.text)
        for at, (token, new) in enumerate(zip(before, after, strict=True))
        if at not in unfinished and token.text != new.text
    ]
    result = check_text(_replaced(normalise(text), changes), [level])
    place = {token.start: at for at, token in enumerate(after)}
    final = tokenise(result.text)
    question_faults = [
        (final[place[fault.start]], fault)
        for fault in findings.faults
        if fault.question and fault.rule != "structure"
    ]
    questions = (replace(fault, start=new.start, end=new.end) for new, fault in question_faults)
    faults = [fault for fault in result.faults if fault.question != QUOTED]
    levels = {lv for item in result.evidence if not item.quoted for lv in item.levels}
    return Rewriting(result.text, levels == {level} and not faults, tuple(questions))


def restate(text: str, level: str, *, certain: bool = True) -> str | None:
    """Return a text rewritten so that the writer addresses everybody at one level.

    Pronouns and verbs without a subject are replaced by their forms at that level. Then verbs are
    made to agree with their pronouns. A respectful vocative such as জনাব stays, so a text with one
    can only be restated at the level `apni`. Quoted speech stays as it is.

    Args:
        text: the text. It is normalised.
        level: `tui`, `tumi` or `apni`.
        certain: whether endings and moods must be kept for certain. `False` takes the first form
            at that level, and rewrites quoted speech too: for texts that are meant to be wrong.

    Returns:
        The rewritten text, or `None` if it cannot be rewritten without a fault or a question.

    Examples:
        >>> from bangla_checker import restate
        >>> restate("তুমি কেমন আছ?", "apni")
        'আপনি কেমন আছেন?'
        >>> restate("তুমি কাজটা করো।", "apni") is None  # a statement, or an order
        True
    """
    if certain:
        result = rewrite(text, level)
        return result.text if result.complete else None
    for _ in range(_ROUNDS):
        findings = check_text(text, [level])
        changes = [_change(item, level) for item in findings.evidence if level not in item.levels]
        changes += [
            (fault.start, fault.end, fault.forms[0])
            for fault in findings.faults
            if fault.rule == "agreement" and fault.forms
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


def _certain(findings: Findings, level: str) -> dict[int, Change | None]:
    """Return the change of each word that another level asks for, by its start; None: a question.

    Quoted words are left out: they stay.
    """
    changes: dict[int, Change | None] = {}
    for item in findings.evidence:
        if level not in item.levels and not item.quoted:
            new = item.replacement(level).form
            changes[item.start] = (item.start, item.start + len(item.word), new) if new else None
    for fault in findings.faults:
        if fault.rule == "agreement":
            new = next(iter(fault.suggestions), "")
            changes[fault.start] = (fault.start, fault.end, new) if new else None
    return changes


def _unfinished(tokens: list[Token], starts: set[int]) -> set[int]:
    """Return the places of the tokens of sentences in which words still ask for a change."""
    place = {token.start: at for at, token in enumerate(tokens)}
    groups = sentences(tokens)
    wrong = [group for group in groups if any(token.start in starts for token in group)]
    return {place[token.start] for group in wrong for token in group}


def _replaced(text: str, changes: Sequence[Change]) -> str:
    for start, end, instead in sorted(set(changes), reverse=True):
        text = text[:start] + instead + text[end:]
    return text
