"""Read pairs of a better and a worse answer, in the format of TRL."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from scionwood import ReadError
from scionwood_language.chat.templates import Message
from scionwood_language.readers.rows import read_rows

REMEDY = 'Such as {"prompt": "...", "chosen": "...", "rejected": "..."}'


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


def read_pairs(path: str | Path) -> list[Pair]:
    """Read pairs from a table, such as a file of JSON lines, in the format of TRL.

    Args:
        path: the file. A prompt is a text or messages. An answer is a text, or a list with one
            message.

    Raises:
        ReadError: the file does not exist, or a row is not a pair. The row is named.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_language import read_pairs
        >>> line = '{"prompt": "1 + 1?", "chosen": "2.", "rejected": "3."}'
        >>> size = Path("pairs.jsonl").write_text(line)
        >>> [pair.chosen for pair in read_pairs("pairs.jsonl")]
        ['2.']
    """
    pairs = [_pair(row, where) for where, row in read_rows(path)]
    if not pairs:
        raise ReadError(str(path), "it has no pairs", "Write one JSON object per line")
    return pairs


def _pair(row: dict[str, Any], where: str) -> Pair:
    try:
        prompt, answers = row["prompt"], [row["chosen"], row["rejected"]]
        turns = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
        messages: list[Message] = [
            {"role": turn["role"], "content": turn["content"].strip()} for turn in turns
        ]
        chosen, rejected = (
            (answer[-1]["content"] if isinstance(answer, list) else answer).strip()
            for answer in answers
        )
    except (LookupError, TypeError, AttributeError) as error:
        rule = f"it is not a pair ({type(error).__name__}: {error})"
        raise ReadError(where, rule, REMEDY) from error
    if not messages or not chosen or not rejected or chosen == rejected:
        raise ReadError(where, "a pair needs a prompt and two different answers", REMEDY)
    return Pair(messages, chosen, rejected)
