"""Texts with the register that their situation asks for, from JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scionwood import ReadError
from scionwood_bangla.lexicon import LEVELS


def read_corpus(path: Path) -> tuple[list[str], list[frozenset[str]]]:
    """The texts, and of each the levels that are acceptable.

    A line is `{"text": "...", "register": "apni"}`; `completion` serves for `text`, and a register
    may be a list.

    Args:
        path: the file, UTF-8.

    Raises:
        ReadError: no such file, or a line that is not of that form, which is named.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(str(path), str(error), "Give a UTF-8 file of JSON lines") from error
    texts, registers = [], []
    for number, line in enumerate(lines, 1):
        if line.strip():
            text, register = _record(line, f"{path}, line {number}")
            texts.append(text)
            registers.append(register)
    if not texts:
        raise ReadError(str(path), "it holds no texts", "Write one JSON object a line")
    return texts, registers


def _record(line: str, where: str) -> tuple[str, frozenset[str]]:
    remedy = 'Such as {"text": "...", "register": "apni"}'
    try:
        found: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise ReadError(where, f"it is no JSON ({error.msg})", remedy) from error
    if not isinstance(found, dict):
        raise ReadError(where, "it is no object", remedy)
    text = found.get("text", found.get("completion"))
    if not isinstance(text, str) or not text.strip():
        raise ReadError(where, "it has no text, or an empty one", remedy)
    register = found.get("register")
    levels = [register] if isinstance(register, str) else register
    if not isinstance(levels, list) or not levels or not set(levels) <= set(LEVELS):
        raise ReadError(where, f"register {register!r}: of {', '.join(LEVELS)}", remedy)
    return text, frozenset(levels)
