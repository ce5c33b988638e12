"""Read a corpus of texts with their accepted levels from JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bangla_checker import LEVELS
from scionwood import ReadError
from scionwood.authoring import read_utf8


def read_corpus(path: str | Path) -> tuple[list[str], list[frozenset[str]]]:
    """Return the texts of a corpus, and the accepted levels of each text.

    A line is `{"text": "...", "register": "apni"}`. `completion` may replace `text`, and a register
    may be a list.

    Args:
        path: the file, UTF-8.

    Raises:
        ReadError: the file does not exist, or a line is not of that form. The line is named.
    """
    texts, registers = [], []
    # JSON allows other separators of lines, such as U+2028, in a text.
    for number, line in enumerate(read_utf8(path).split("\n"), 1):
        if line.strip():
            text, register = _record(line, f"{path}, line {number}")
            texts.append(text)
            registers.append(register)
    if not texts:
        raise ReadError(str(path), "it has no texts", "Write one JSON object per line")
    return texts, registers


def _record(line: str, where: str) -> tuple[str, frozenset[str]]:
    remedy = 'Such as {"text": "...", "register": "apni"}'
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ReadError(where, f"it is not valid JSON ({error})", remedy) from error
    if not isinstance(record, dict):
        raise ReadError(where, "it is not a JSON object", remedy)
    text = record.get("text", record.get("completion"))
    if not isinstance(text, str) or not text.strip():
        raise ReadError(where, "its text is missing or empty", remedy)
    register = record.get("register")
    levels = [register] if isinstance(register, str) else register
    if not isinstance(levels, list) or not levels or any(level not in LEVELS for level in levels):
        rule = f"its register {register!r} is not one or more of {', '.join(LEVELS)}"
        raise ReadError(where, rule, remedy)
    return text, frozenset(levels)
