"""Convert the common layouts of a row to messages, and find its columns by their names."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from scionwood import ReadError, RecipeError
from scionwood_language.chat.templates import Message

Layout = Literal["auto", "messages", "sharegpt", "alpaca", "pairs"]

_ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
}
_PARTS = (("prompt", "user"), ("completion", "assistant"))
_TURNS = 'Such as [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]'


NAMES: Mapping[str, str] = {
    "prompt": "prompt question instruction query input user request",
    "completion": "completion response answer output reply target assistant",
    "topic": "topic title theme category subject",
    "system": "system",
}
"""The parts of an example, each with the names by which its column is recognised."""


def conversation_of(
    row: Mapping[str, Any], layout: Layout, columns: Mapping[str, str] | None, where: str
) -> tuple[list[Message], Any]:
    """Return the turns of a row up to the last turn of the assistant, and its topic, if it has one.

    Raises:
        ReadError: a column is missing, a role is unknown, or no turn is the assistant's.
        RecipeError: a part or a column in `columns` does not exist.
    """
    if layout == "auto":
        layout = "pairs" if columns else _layout_of(row)
    topic = row.get("topic")
    if layout == "messages":
        turns = _turns(_cell(row, "messages", where), "role", "content", where)
    elif layout == "sharegpt":
        turns = _turns(_cell(row, "conversations", where), "from", "value", where)
        turns = _system(row.get("system"), where) + turns
    elif layout == "alpaca":
        turns = _alpaca(row, where)
    else:
        places = _find_columns([str(name) for name in row], columns or {}, where)
        turns, topic = _pair(row, places, where), row.get(places.get("topic", ""))
    while turns and turns[-1]["role"] != "assistant":
        turns.pop()  # a question without an answer
    if not turns:
        raise ReadError(where, "no turn is the assistant's", "Leave the row out, or add an answer")
    return turns, topic


def _layout_of(row: Mapping[str, Any]) -> Layout:
    if "messages" in row:
        return "messages"
    if "conversations" in row:
        return "sharegpt"
    return "alpaca" if {"instruction", "output"} <= set(row) else "pairs"


def _find_columns(names: Sequence[str], columns: Mapping[str, str], where: str) -> dict[str, str]:
    # A whole name takes precedence over a word in a name, such as `Prompt (Bangla)`.
    for part, name in columns.items():
        if part not in NAMES:
            rule = "an example has no such part"
            raise RecipeError(f"columns: {part!r}", rule, f"Use any of {', '.join(NAMES)}")
        if name not in names:
            rule = f"{where} has no such column"
            raise RecipeError(f"columns: {part}: {name!r}", rule, f"It has: {', '.join(names)}")
    chosen = dict(columns)
    for part, words in NAMES.items():
        if part in chosen:
            continue
        free = [name for name in names if name not in chosen.values()]
        matches = _matching(free, words.split())
        if len(matches) == 1:
            chosen[part] = matches[0]
        elif part in dict(_PARTS):
            listed = ", ".join(matches or names)
            rule = f"{listed} could all be" if matches else f"none of {listed} is"
            remedy = f"Name it: data.columns: {{{part}: COLUMN}}"
            raise ReadError(where, f"{rule} the column of the {part}", remedy)
    return chosen


def _matching(names: Sequence[str], words: Sequence[str]) -> list[str]:
    plain = {name: unicodedata.normalize("NFC", name).strip().lower() for name in names}
    for word in words:
        if exact := [name for name in names if plain[name] == word]:
            return exact
    parts = {name: set(re.split(r"[^\w\u0900-\u0dff]+|_", plain[name])) for name in names}
    return [name for name in names if parts[name] & set(words)]


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _alpaca(row: Mapping[str, Any], where: str) -> list[Message]:
    instruction, more = _text(row, "instruction", where), row.get("input")
    prompt = f"{instruction}\n{_string(more, 'input', where)}" if more else instruction
    history: list[Message] = []
    for pair in _listed(row.get("history"), where) or []:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            rule = "history must be a list of pairs of question and answer"
            raise ReadError(where, rule, 'Such as [["...", "..."]]')
        question, answer = (_string(text, "history", where) for text in pair)
        history += [_turn("user", question), _turn("assistant", answer)]
    answered = _turn("assistant", _text(row, "output", where))
    return [*_system(row.get("system"), where), *history, _turn("user", prompt), answered]


def _pair(row: Mapping[str, Any], columns: Mapping[str, str], where: str) -> list[Message]:
    messages = _system(row.get(columns.get("system", "")), where)
    for part, role in _PARTS:
        value = _listed(_cell(row, columns[part], where), where)
        if isinstance(value, list):
            messages += _turns(value, "role", "content", where)
        else:
            messages.append(_turn(role, _string(value, columns[part], where)))
    return messages


def _turns(value: Any, role: str, content: str, where: str) -> list[Message]:
    turns = _listed(value, where)
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise ReadError(where, "its turns are not a list of objects", _TURNS)
    messages: list[Message] = []
    for number, turn in enumerate(turns, 1):
        name = str(turn.get(role)).strip().lower()
        if name not in _ROLES:
            rule = f"turn {number} has the unknown {role} {name!r}"
            raise ReadError(where, rule, f"Use any of {', '.join(_ROLES)}")
        text = _string(turn.get(content), f"turn {number}", where)
        messages.append(_turn(_ROLES[name], text))
    return messages


def _system(value: Any, where: str) -> list[Message]:
    return [_turn("system", _string(value, "system", where))] if value else []


def _listed(value: Any, where: str) -> Any:
    # A cell of a table contains a list as JSON.
    if not isinstance(value, str) or not value.lstrip().startswith(("[{", "[[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ReadError(where, f"its list is not valid JSON ({error})", _TURNS) from error


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    return _string(_cell(row, name, where), name, where)


def _cell(row: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in row:
        raise ReadError(where, f"it has no column {name!r}", f"Its columns are {', '.join(row)}")
    return row[name]


def _string(value: Any, name: str, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        rule = f"{name} has the type {type(value).__name__}, not text"
        raise ReadError(where, rule, "Write it as a string")
    return value.strip()
