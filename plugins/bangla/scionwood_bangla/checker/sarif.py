"""Findings as SARIF 2.1.0, which editors and code hosts show beside the lines of a file."""

from __future__ import annotations

from bisect import bisect_right
from difflib import SequenceMatcher
from importlib.metadata import version
from typing import Any

from scionwood_bangla.checker.findings import RULES, Fault, Findings
from scionwood_bangla.checker.report import as_question

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(findings: Findings, original: str, uri: str) -> dict[str, Any]:
    """Return the faults as a SARIF log. Positions are lines and columns of the file itself.

    Columns count Unicode code points from 1. A missing part of a letter is at the first line.

    Args:
        findings: the findings of the file.
        original: the text of the file as it is, before it was normalised.
        uri: the name of the file, relative to the folder of the project.
    """
    places = Places(findings.text, original)
    driver = {
        "name": "scionwood-bangla",
        "version": version("scionwood-bangla"),
        "rules": [{"id": rule, "shortDescription": {"text": says}} for rule, says in RULES.items()],
    }
    results = [_result(fault, places, uri) for fault in findings.faults]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


class Places:
    """Maps positions of the normalised text to positions of the file.

    Args:
        text: the normalised text.
        original: the text of the file.
    """

    def __init__(self, text: str, original: str) -> None:
        self.original = original.replace("\r\n", "\n").replace("\r", "\n")
        self._lines = [0]
        self._lines += [at + 1 for at, letter in enumerate(self.original) if letter == "\n"]
        self._blocks = [(0, 0, len(text))] if text == self.original else _align(text, self.original)

    def offset(self, at: int) -> int:
        """Return the position in the file of a position in the normalised text.

        Args:
            at: the index of a character.
        """
        block = max(0, bisect_right(self._blocks, (at, len(self.original), 0)) - 1)
        start, original_start, length = self._blocks[block]
        return min(original_start + min(at - start, length), len(self.original))

    def line_and_column(self, at: int) -> tuple[int, int]:
        """Return the line and the column in the file, both from 1.

        Args:
            at: the index of a character in the normalised text.
        """
        offset = self.offset(at)
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1


def _align(text: str, original: str) -> list[tuple[int, int, int]]:
    # Line by line, since the time of SequenceMatcher grows with the square of the length.
    text_lines, original_lines = text.split("\n"), original.split("\n")
    if len(text_lines) != len(original_lines):
        text_lines, original_lines = [text], [original]
    blocks, at, original_at = [], 0, 0
    for line, other in zip(text_lines, original_lines, strict=True):
        matched = SequenceMatcher(None, line, other, autojunk=False).get_matching_blocks()
        blocks += [(at + block.a, original_at + block.b, block.size) for block in matched]
        at, original_at = at + len(line) + 1, original_at + len(other) + 1
    return blocks or [(0, 0, 0)]


def _result(fault: Fault, places: Places, uri: str) -> dict[str, Any]:
    line, column = places.line_and_column(fault.start)
    last, end = places.line_and_column(fault.end)
    region = {"startLine": line, "startColumn": column, "endLine": last, "endColumn": end}
    place = {"artifactLocation": {"uri": uri}, "region": region}
    hint = f" Suggestion: {', '.join(fault.suggestions)}." if fault.suggestions else ""
    hint += f" Question: {as_question(fault)}." if fault.question else ""
    result: dict[str, Any] = {
        "ruleId": fault.rule,
        "level": "warning",
        "message": {"text": f"{fault.reason}; {RULES[fault.rule]}.{hint}"},
        "locations": [{"physicalLocation": place}],
    }
    if fault.suggestions and fault.end > fault.start:
        change = {"deletedRegion": region, "insertedContent": {"text": fault.suggestions[0]}}
        changes = [{"artifactLocation": {"uri": uri}, "replacements": [change]}]
        says = {"text": f"write {fault.suggestions[0]}"}
        result["fixes"] = [{"description": says, "artifactChanges": changes}]
    return result
