"""Show what was found: the text with its faults marked, or JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scionwood_bangla.checker.findings import RULES, Findings
from scionwood_bangla.text.reading import mixed_words, script_shares


def as_text(findings: Findings) -> str:
    """The text with each fault in brackets and numbered, then the faults with rule and remedy.

    Args:
        findings: of one text.
    """
    faults = findings.faults
    pieces, at = [], 0
    for number, fault in enumerate(faults, 1):
        if fault.start < at or fault.end == fault.start:
            continue  # what is missing has no place, and marks do not overlap
        pieces += [findings.text[at : fault.start], f"[{fault.word}]({number})"]
        at = fault.end
    lines = ["".join([*pieces, findings.text[at:]]).rstrip("\n"), ""]
    for number, fault in enumerate(faults, 1):
        lines.append(f"({number}) {fault.rule}: {fault.reason}; {RULES[fault.rule]}")
        if fault.suggestions:
            lines.append(f"    suggestion: {', '.join(fault.suggestions)}")
    words = ", ".join(dict.fromkeys(item.word for item in findings.undecided))
    told = f"undecided: {len(findings.undecided)} of {findings.verbs} verbs"
    lines.append(f"{len(faults)} faults; {told}{f' ({words})' if words else ''}")
    return "\n".join([*lines, *_notes(findings)])


def as_json(findings: Findings) -> dict[str, Any]:
    """The same for programs; positions count in `text`, which is normalised.

    Args:
        findings: of one text.
    """
    return {
        "text": findings.text,
        "faults": [asdict(fault) for fault in findings.faults],
        "undecided": [asdict(item) for item in findings.undecided],
        "levels": sorted(findings.levels),
        "verbs": findings.verbs,
        "judged": findings.judged,
        "agreeing": findings.agreeing,
        "style": style(findings),
        "scripts": {name: round(share, 4) for name, share in script_shares(findings.text).items()},
        "mixed_words": mixed_words(findings.text),
    }


def style(findings: Findings) -> str:
    """Literary (sadhu), colloquial (cholito), mixed, or unmarked.

    Args:
        findings: of one text.
    """
    if findings.literary and findings.colloquial:
        return "mixed"
    if findings.literary:
        return "literary"
    return "colloquial" if findings.colloquial else "unmarked"


def _notes(findings: Findings) -> list[str]:
    notes = []
    if style(findings) in ("literary", "mixed"):
        notes.append(f"note: the style is {style(findings)} (sadhu bhasha)")
    mixed = mixed_words(findings.text)
    if mixed:
        notes.append(f"note: words of mixed scripts: {', '.join(mixed[:5])}")
    latin = script_shares(findings.text).get("LATIN", 0.0)
    if latin > 0.05:
        notes.append(f"note: {latin:.0%} of the letters are Latin")
    return notes
