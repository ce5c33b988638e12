"""Show the result of a check as the text with its faults marked, or as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scionwood_bangla.checker.addressees import has_no_marks
from scionwood_bangla.checker.findings import RULES, Fault, Findings
from scionwood_bangla.text.reading import mixed_words, script_shares


def as_text(findings: Findings) -> str:
    """Return the text with numbered faults in brackets, then each fault with rule and suggestion.

    Args:
        findings: the findings of one text.
    """
    faults = findings.faults
    pieces, at = [], 0
    for number, fault in enumerate(faults, 1):
        if fault.start < at or fault.end == fault.start:
            continue  # a missing part has no position, and marks do not overlap
        pieces += [findings.text[at : fault.start], f"[{fault.word}]({number})"]
        at = fault.end
    lines = ["".join([*pieces, findings.text[at:]]).rstrip("\n"), ""]
    for number, fault in enumerate(faults, 1):
        lines.append(f"({number}) {fault.rule}: {fault.reason}; {RULES[fault.rule]}")
        if fault.suggestions:
            lines.append(f"    suggestion: {', '.join(fault.suggestions)}")
        if fault.question:
            lines.append(f"    question: {as_question(fault)}")
    words = ", ".join(dict.fromkeys(item.word for item in findings.undecided))
    undecided = f"undecided: {len(findings.undecided)} of {_pluralise(findings.verbs, 'verb')}"
    lines.append(f"{_pluralise(len(faults), 'fault')}; {undecided}{f' ({words})' if words else ''}")
    return "\n".join([*lines, *_notes(findings)])


def as_json(findings: Findings) -> dict[str, Any]:
    """Return the findings as values for JSON. Positions refer to `text`, which is normalised.

    Args:
        findings: the findings of one text.
    """
    return {
        "text": findings.text,
        "faults": [_record(fault) for fault in findings.faults],
        "undecided": [asdict(item) for item in findings.undecided],
        "levels": sorted(findings.levels),
        "verbs": findings.verbs,
        "judged": findings.judged,
        "agreeing": findings.agreeing,
        "style": style(findings),
        "regional": list(dict.fromkeys(findings.regional)),
        "scripts": {name: round(share, 4) for name, share in script_shares(findings.text).items()},
        "mixed_words": mixed_words(findings.text),
    }


def as_question(fault: Fault) -> str:
    """Return the question that a fault without a proposal asks.

    Args:
        fault: a fault with a `question`.
    """
    return f"what should {fault.word} be? {fault.question}, so nothing is proposed"


def _record(fault: Fault) -> dict[str, Any]:
    record = asdict(fault)
    del record["forms"]  # they may change the meaning
    return record


def style(findings: Findings) -> str:
    """Return `literary` (sadhu bhasha), `colloquial` (cholito bhasha), `mixed` or `unmarked`.

    Args:
        findings: the findings of one text.
    """
    if findings.literary and findings.colloquial:
        return "mixed"
    if findings.literary:
        return "literary"
    return "colloquial" if findings.colloquial else "unmarked"


def _pluralise(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _notes(findings: Findings) -> list[str]:
    notes = []
    if style(findings) == "literary":
        notes.append("note: the style is literary (sadhu bhasha)")
    if style(findings) == "mixed":
        notes.append("note: the style is mixed, literary (sadhu bhasha) and colloquial")
    if findings.regional:
        words = ", ".join(list(dict.fromkeys(findings.regional))[:5])
        notes.append(f"note: regional forms ({words}); verbs of their sentences were not judged")
    if has_no_marks(findings.text):
        notes.append("note: no punctuation, so levels were not compared from one verb to the next")
    mixed = mixed_words(findings.text)
    if mixed:
        notes.append(f"note: words that mix scripts: {', '.join(mixed[:5])}")
    latin = script_shares(findings.text).get("LATIN", 0.0)
    if latin > 0.05:
        notes.append(f"note: {latin:.0%} of the letters are Latin")
    return notes
