"""What the page shows of a text. It runs in the browser, in the Python that the page carries."""

from __future__ import annotations

import json
from typing import Any

from bangla_checker.checks import check_text
from bangla_checker.errors import CheckerError
from bangla_checker.lexicon.levels import levels_of
from bangla_checker.messages import Language, said
from bangla_checker.reports.report import as_json, as_question, explained, summary
from bangla_checker.rewriter.fix import level_of
from bangla_checker.rewriter.restate import rewrite
from bangla_checker.text.reading import require_bangla


def answer(text: str, register: str, language: Language) -> str:
    """Return the result of a check as JSON, with the text at one level if it has faults.

    Args:
        text: the text.
        register: an accepted level, or an empty string for all.
        language: the language of the explanations.
    """
    try:
        record = _checked(text, register, language)
    except CheckerError as error:
        record = {"error": str(error)}
    return json.dumps(record, ensure_ascii=False)


def _checked(text: str, register: str, language: Language) -> dict[str, Any]:
    levels = levels_of(register)
    findings = check_text(require_bangla(text, "the text"), levels, letter=None)
    record = as_json(findings, language)
    for fault, item in zip(findings.faults, record["faults"], strict=True):
        item["explained"] = explained(fault, language)
        item["asked"] = said(as_question(fault), language) if fault.question else ""
    level = level_of(findings.text, sorted(levels) if levels else None)
    fixed = rewrite(findings.text, level).text if level and findings.faults else findings.text
    changed = fixed if fixed != findings.text else ""
    return record | {"summary": summary(findings, language), "fixed": changed, "level": level}
