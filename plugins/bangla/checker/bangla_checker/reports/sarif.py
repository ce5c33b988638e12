"""Findings as SARIF 2.1.0, which editors and code hosts show beside the lines of a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bangla_checker.checks.findings import RULES, Fault, Findings
from bangla_checker.messages import Language, said
from bangla_checker.reports.places import Places
from bangla_checker.reports.report import as_question, explained
from bangla_checker.version import VERSION

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(
    checked: Iterable[tuple[Findings, str, str]], language: Language = "en"
) -> dict[str, Any]:
    """Return the faults of files as one SARIF log. Positions are lines and columns of the files.

    Columns count Unicode code points from 1. A missing part of a letter is at the first line.

    Args:
        checked: the findings of each file, its text as it is before it was normalised, and its
            name relative to the folder of the project.
        language: the language of the messages, `en` or `bn`.
    """
    rules = [
        {"id": rule, "shortDescription": {"text": said(text, language)}}
        for rule, text in RULES.items()
    ]
    driver = {"name": "bangla-checker", "version": VERSION, "rules": rules}
    results = [
        _result(fault, Places(findings.text, original), name, language)
        for findings, original, name in checked
        for fault in findings.faults
    ]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(fault: Fault, places: Places, uri: str, language: Language) -> dict[str, Any]:
    line, column = places.line_and_column(fault.start)
    last, end = places.line_and_column(fault.end)
    region = {"startLine": line, "startColumn": column, "endLine": last, "endColumn": end}
    place = {"artifactLocation": {"uri": uri}, "region": region}
    hint = ""
    if fault.suggestions:
        hint = f" {said('suggestion', language)}: {', '.join(fault.suggestions)}."
    if fault.question:
        hint = f" {said('question', language)}: {said(as_question(fault), language)}."
    result: dict[str, Any] = {
        "ruleId": fault.rule,
        "level": "warning",
        "message": {"text": f"{explained(fault, language)}.{hint}"},
        "locations": [{"physicalLocation": place}],
    }
    if fault.suggestions and fault.end > fault.start:
        change = {"deletedRegion": region, "insertedContent": {"text": fault.suggestions[0]}}
        changes = [{"artifactLocation": {"uri": uri}, "replacements": [change]}]
        says = {"text": f"write {fault.suggestions[0]}"}
        result["fixes"] = [{"description": says, "artifactChanges": changes}]
    return result
