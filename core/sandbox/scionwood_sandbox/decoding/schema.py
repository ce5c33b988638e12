"""What a child may answer: anything else comes from a decoder that others have taken over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from scionwood_sandbox import settings
from scionwood_sandbox.decoding.protocol import fits

TEXT, WARNINGS, RECORDS = 4000, 20, 64
"""Letters of an error or a warning, warnings of an answer, and items of a part of a stream."""

_WORDS: Mapping[str, tuple[Any, ...]] = {
    "error": (str, str, str, str),
    "foreign": (str, str),
    "index": (str,),
    "warnings": (list[tuple[str, str]],),
    "callback": (str, Any, Any),
    "memory": (int,),
}
_ANSWERS: Mapping[str, Any] = {
    "open": tuple[dict[Any, Any], int],
    "call": dict[str, Any],
    "function": dict[str, Any],
    "next": list[Any],
    "get": Any,
    "has": bool,
    "learn": list[str],
    "stop": None,
    "close": None,
    "reset": None,
}


class ForgedError(ValueError):
    """A message that no child of ours sends."""


def check(message: Any, operation: str, calls: Collection[str]) -> tuple[str, list[Any]]:
    """Return the word of a message and what comes with it."""
    word: Any
    parts: list[Any]
    word, *parts = message if fits(message, list[Any]) and message else [None]
    kinds = (_ANSWERS[operation],) if word == "value" else _WORDS.get(str(word), ())
    if not kinds or not fits(parts, tuple[kinds]):  # type: ignore[valid-type]
        raise ForgedError(f"{str(word)[:40]!r} for {operation!r}, of another form")
    first = parts[0]
    wrong = (
        (word == "index" and operation != "call")
        or (word == "error" and first not in settings.error_types)
        or (word == "callback" and first not in calls)
        or (word == "memory" and first < 0)
        or (word == "warnings" and len(first) > WARNINGS)
        or (word == "value" and not _holds(operation, first))
    )
    texts = [text for pair in first for text in pair] if word == "warnings" else parts
    if wrong or any(
        isinstance(text, str) and len(text) > TEXT for text in texts if word != "value"
    ):
        raise ForgedError(f"{word!r} for {operation!r}, of other contents")
    return word, parts


def _holds(operation: str, answer: Any) -> bool:
    """Return whether an answer of the right form can be true."""
    if operation == "open":
        return bool(answer[1] >= 0)
    if operation in ("call", "function"):
        return answer.keys() == {"value"} or (
            answer.keys() == {"stream"} and fits(answer["stream"], int)
        )
    return operation != "next" or len(answer) <= RECORDS
