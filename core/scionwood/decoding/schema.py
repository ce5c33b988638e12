"""What a child may answer: anything else comes from a decoder that others have taken over."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Mapping
from typing import Any

from scionwood import errors

TEXT = 4000
"""Letters of the longest text of an error or a warning."""

WARNINGS = 20
"""Warnings of one answer."""

RECORDS = 64
"""Items of one part of a stream."""


class ForgedError(ValueError):
    """A message that no child of ours sends."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= TEXT


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_warnings(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= WARNINGS
        and all(
            isinstance(pair, list) and len(pair) == 2 and all(map(_is_text, pair)) for pair in value
        )
    )


def _is_result(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) != 1:
        return False
    return "value" in value or _is_count(value.get("stream"))


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_anything(_: Any) -> bool:
    return True


_Test = Callable[[Any], bool]
_MESSAGES: Mapping[str, tuple[_Test, ...]] = {
    "error": (_is_text, _is_text, _is_text, _is_text),
    "foreign": (_is_text, _is_text),
    "warnings": (_is_warnings,),
    "callback": (_is_text, _is_anything, _is_anything),
    "memory": (_is_count,),
}
_ANSWERS: Mapping[str, _Test] = {
    "open": lambda value: (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], dict)
        and _is_count(value[1])
    ),
    "call": _is_result,
    "function": _is_result,
    "next": lambda value: isinstance(value, list) and len(value) <= RECORDS,
    "get": _is_anything,
    "has": lambda value: isinstance(value, bool),
    "learn": _is_names,
    "stop": lambda value: value is None,
    "close": lambda value: value is None,
    "reset": lambda value: value is None,
}
ERRORS: Mapping[str, type[errors.ScionwoodError]] = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.ScionwoodError)
}
"""The errors that a child may raise here, by name."""


def check(message: Any, operation: str, calls: Collection[str]) -> tuple[str, list[Any]]:
    """Return the word of a message and what comes with it."""
    if not isinstance(message, list) or not message or not isinstance(message[0], str):
        raise ForgedError("a message without a word")
    word, *parts = message
    tests = _MESSAGES.get(word, ())
    if word == "value":
        tests = (_ANSWERS[operation],)
    elif word == "index" and operation == "call":
        tests = (_is_text,)
    if not tests or len(parts) != len(tests):
        raise ForgedError(f"{len(parts)} parts of {word[:40]!r}, for {operation!r}")
    for test, part in zip(tests, parts, strict=True):
        if not test(part):
            raise ForgedError(f"{type(part).__name__} as {word!r}, for {operation!r}")
    if word == "callback" and parts[0] not in calls:
        raise ForgedError(f"a call of {parts[0][:40]!r}")
    if word == "error" and parts[0] not in ERRORS:
        raise ForgedError(f"an error of kind {parts[0][:40]!r}")
    return word, parts


def signal_name(code: int) -> str:
    """Return the name of the signal that ended a process, or nothing."""
    try:
        return signal.Signals(-code).name if code < 0 else ""
    except ValueError:  # a real-time signal
        return f"signal {-code}"
