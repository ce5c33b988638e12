"""Show the result of a check as the text with its faults marked, or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from bangla_checker.checks.addressees import has_no_marks
from bangla_checker.checks.findings import RULES, Fault, Findings
from bangla_checker.messages import Language, Message, said
from bangla_checker.text.reading import mixed_words, script_shares


def as_text(findings: Findings, language: Language = "en") -> str:
    """Return the text with numbered faults in brackets, and below it what each of them is."""
    faults = findings.faults
    pieces, at = [], 0
    for number, fault in enumerate(faults, 1):
        if fault.start < at or fault.end == fault.start:
            continue  # a missing part has no position, and marks do not overlap
        pieces += [findings.text[at : fault.start], f"[{fault.word}]({number})"]
        at = fault.end
    lines = ["".join([*pieces, findings.text[at:]]).rstrip("\n"), ""]
    for number, fault in enumerate(faults, 1):
        lines.append(f"({number}) {fault.rule}: {explained(fault, language)}")
        if fault.suggestions:
            lines.append(f"    {said('suggestion', language)}: {', '.join(fault.suggestions)}")
        if fault.question:
            lines.append(f"    {said('question', language)}: {said(as_question(fault), language)}")
    return "\n".join([*lines, summary(findings, language)])


def summary(findings: Findings, language: Language = "en") -> str:
    """Return the number of faults and of undecided verbs, and a line for each note."""
    return "\n".join(said(line, language) for line in _summary(findings))


def as_json(findings: Findings, language: Language = "en") -> dict[str, Any]:
    """Return the findings as values for JSON. Positions refer to `text`, which is normalised."""
    return {
        "text": findings.text,
        "faults": [_record(fault, language) for fault in findings.faults],
        "undecided": [
            asdict(item) | {"reason": said(item.reason, language)} for item in findings.undecided
        ],
        "levels": sorted(findings.levels),
        "verbs": findings.verbs,
        "judged": findings.judged,
        "agreeing": findings.agreeing,
        "style": style(findings),
        "regional": list(dict.fromkeys(findings.regional)),
        "scripts": {name: round(share, 4) for name, share in script_shares(findings.text).items()},
        "mixed_words": mixed_words(findings.text),
    }


def explained(fault: Fault, language: Language) -> str:
    """Return what is wrong at a fault, and the rule that it breaks."""
    return f"{said(fault.reason, language)}; {said(RULES[fault.rule], language)}"


def as_question(fault: Fault) -> str:
    """Return the question that a fault without a proposal asks, as a message."""
    words = {"word": fault.word, "why": fault.question}
    return Message("what should {word} be? {why}, so nothing is proposed", **words)


def _record(fault: Fault, language: Language) -> dict[str, Any]:
    record = asdict(fault)
    for name in ("reason", "question"):
        record[name] = said(getattr(fault, name), language)
    return record


def style(findings: Findings) -> str:
    """Return `literary` (sadhu bhasha), `colloquial` (cholito bhasha), `mixed` or `unmarked`."""
    if findings.literary and findings.colloquial:
        return "mixed"
    if findings.literary:
        return "literary"
    return "colloquial" if findings.colloquial else "unmarked"


def _summary(findings: Findings) -> Iterator[str]:
    words = ", ".join(dict.fromkeys(item.word for item in findings.undecided))
    yield Message(
        "{faults}; undecided: {undecided} of {verbs}{words}",
        faults=_counted(len(findings.faults), "fault"),
        undecided=len(findings.undecided),
        verbs=_counted(findings.verbs, "verb"),
        words=f" ({words})" if words else "",
    )
    for note in _notes(findings):
        yield Message("note: {note}", note=note)


def _counted(number: int, noun: str) -> Message:
    return Message("{number} " + noun + ("" if number == 1 else "s"), number=number)


def _notes(findings: Findings) -> Iterator[str]:
    if style(findings) == "literary":
        yield "the style is literary (sadhu bhasha)"
    if style(findings) == "mixed":
        yield "the style is mixed, literary (sadhu bhasha) and colloquial"
    if findings.regional:
        words = ", ".join(list(dict.fromkeys(findings.regional))[:5])
        note = "regional forms ({words}); verbs of their sentences were not judged"
        yield Message(note, words=words)
    if has_no_marks(findings.text):
        yield "no punctuation, so levels were not compared from one verb to the next"
    if mixed := mixed_words(findings.text):
        yield Message("words that mix scripts: {words}", words=", ".join(mixed[:5]))
    latin = script_shares(findings.text).get("LATIN", 0.0)
    if latin > 0.05:
        yield Message("{share} of the letters are Latin", share=f"{latin:.0%}")
