"""Read pairs of a better and a worse answer from JSON lines, in the format of TRL."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from scionwood import ReadError
from scionwood.authoring import read_utf8
from scionwood_language.chat.templates import Message

REMEDY = 'Such as {"prompt": "...", "chosen": "...", "rejected": "..."}'
Made = TypeVar("Made")


class Pair(NamedTuple):
    """A request with a better and a worse answer.

    Attributes:
        prompt: the turns before the answer.
        chosen: the better answer.
        rejected: the worse answer.
    """

    prompt: list[Message]
    chosen: str
    rejected: str


def read_pairs(
    path: str | Path, make: Callable[[Pair, Mapping[str, Any], str], Made]
) -> list[Made]:
    """Read pairs from a file of JSON lines, in the format of TRL.

    Args:
        path: the file, UTF-8. A prompt is a text or messages. An answer is a text, or a list with
            one message.
        make: takes the pair, the whole record, and `FILE, line N` for errors.

    Raises:
        ReadError: the file does not exist, or a line is not a pair. The line is named.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_language import read_pairs
        >>> line = '{"prompt": "1 + 1?", "chosen": "2.", "rejected": "3."}'
        >>> size = Path("pairs.jsonl").write_text(line)
        >>> read_pairs("pairs.jsonl", lambda pair, record, where: pair.chosen)
        ['2.']
    """
    lines = read_utf8(path).split("\n")  # JSON allows other separators, such as U+2028, in a text
    rows = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise ReadError(str(path), "it has no pairs", "Write one JSON object per line")
    return [_parse_pair(line, f"{path}, line {number}", make) for number, line in rows]


def _parse_pair(
    line: str, where: str, make: Callable[[Pair, Mapping[str, Any], str], Made]
) -> Made:
    try:
        record: Any = json.loads(line)
        prompt, answers = record["prompt"], [record["chosen"], record["rejected"]]
        turns = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
        messages: list[Message] = [
            {"role": turn["role"], "content": turn["content"].strip()} for turn in turns
        ]
        chosen, rejected = (
            (answer[-1]["content"] if isinstance(answer, list) else answer).strip()
            for answer in answers
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        rule = f"it is not a pair ({type(error).__name__}: {error})"
        raise ReadError(where, rule, REMEDY) from error
    if not messages or not chosen or not rejected or chosen == rejected:
        raise ReadError(where, "a pair needs a prompt and two different answers", REMEDY)
    return make(Pair(messages, chosen, rejected), record, where)
