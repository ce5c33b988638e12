"""The usual layouts of a row, all turned into messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from scionwood import ReadError
from scionwood_bangla.text.examples import Message, Role
from scionwood_bangla.text.normalise import normalise

Layout = Literal["auto", "messages", "sharegpt", "alpaca", "pairs"]

_ROLES: dict[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
}
_TURNS = 'Such as [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]'


def layout_of(names: Sequence[str]) -> Layout:
    """The layout that a row has by the names of its columns.

    Args:
        names: of all columns.
    """
    if "messages" in names:
        return "messages"
    if "conversations" in names:
        return "sharegpt"
    return "alpaca" if {"instruction", "output"} <= set(names) else "pairs"


def messages_of(
    row: Mapping[str, Any], layout: Layout, columns: Mapping[str, str], where: str
) -> list[Message]:
    """The turns of a row up to the last one of the assistant.

    Args:
        row: its cells; a list may be written as JSON.
        layout: not `auto`.
        columns: of `pairs`, see `find_columns`.
        where: `FILE, row N`.

    Raises:
        ReadError: a column is missing, a role is unknown, or no turn is the assistant's.
    """
    if layout == "messages":
        found = _turns(_cell(row, "messages", where), "role", "content", where)
    elif layout == "sharegpt":
        found = _turns(_cell(row, "conversations", where), "from", "value", where)
        found = _system(row.get("system"), where) + found
    elif layout == "alpaca":
        found = _alpaca(row, where)
    else:
        found = _pair(row, columns, where)
    while found and found[-1].role != "assistant":
        found.pop()  # a question that was not answered
    if not found:
        raise ReadError(where, "no turn is the assistant's", "Leave the row out, or add an answer")
    return found


def _alpaca(row: Mapping[str, Any], where: str) -> list[Message]:
    asked, more = _text(row, "instruction", where), row.get("input")
    prompt = f"{asked}\n{_string(more, 'input', where)}" if more else asked
    history = []
    for pair in _listed(row.get("history"), where) or []:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            rule = "history is a list of pairs of question and answer"
            raise ReadError(where, rule, 'Such as [["...", "..."]]')
        question, answer = (_string(text, "history", where) for text in pair)
        history += [Message("user", question), Message("assistant", answer)]
    answered = Message("assistant", _text(row, "output", where))
    return [*_system(row.get("system"), where), *history, Message("user", prompt), answered]


def _pair(row: Mapping[str, Any], columns: Mapping[str, str], where: str) -> list[Message]:
    found = _system(row.get(columns.get("system", "")), where)
    for part, role in (("prompt", "user"), ("completion", "assistant")):
        value = _listed(_cell(row, columns[part], where), where)
        if isinstance(value, list):
            found += _turns(value, "role", "content", where)
        else:
            found.append(Message(_ROLES[role], _string(value, columns[part], where)))
    return found


def _turns(value: Any, role: str, content: str, where: str) -> list[Message]:
    turns = _listed(value, where)
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise ReadError(where, "its turns are no list of objects", _TURNS)
    found = []
    for number, turn in enumerate(turns, 1):
        name = str(turn.get(role)).strip().lower()
        if name not in _ROLES:
            rule = f"turn {number} has the {role} {name!r}; known are {', '.join(_ROLES)}"
            raise ReadError(where, rule, "Rename it")
        text = _string(turn.get(content), f"turn {number}", where)
        found.append(Message(_ROLES[name], text))
    return found


def _system(value: Any, where: str) -> list[Message]:
    return [Message("system", _string(value, "system", where))] if value else []


def _listed(value: Any, where: str) -> Any:
    # A table's cell holds a list as JSON.
    if not isinstance(value, str) or not value.lstrip().startswith(("[{", "[[")):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ReadError(where, f"its list is no JSON ({error})", _TURNS) from error


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    return _string(_cell(row, name, where), name, where)


def _cell(row: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in row:
        raise ReadError(where, f"it has no column {name!r}", f"It has: {', '.join(row)}")
    return row[name]


def _string(value: Any, name: str, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        rule = f"{name} is a {type(value).__name__}, not a text"
        raise ReadError(where, rule, "Write it as a string")
    return normalise(value).strip()
