"""Read examples from a file, a folder or the hub, and check each row.

The plugin `language` reads the tables and their layouts; here each row is checked for Bangla.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bangla_checker import MOJIBAKE, CheckerError, is_bijoy, levels_of, mixed_words, normalise
from scionwood import ReadError
from scionwood_bangla.text.examples import Example, Message
from scionwood_bangla.text.reading import require_bangla
from scionwood_language import BadRows, Layout, read_conversations

CELL = 100_000
"""The maximum length of a turn, characters. A longer one usually lacks a quotation mark."""

_COLUMNS = {
    "prompt": "prompt question instruction query input user request প্রম্পট প্রশ্ন নির্দেশ নির্দেশনা ইনপুট "
    "অনুরোধ",
    "completion": "completion response answer output reply target assistant উত্তর জবাব আউটপুট সাড়া "
    "প্রতিক্রিয়া",
    "topic": "topic title theme category subject টপিক বিষয় শিরোনাম বিভাগ শ্রেণি প্রসঙ্গ",
    "register": "register level honorific formality স্তর সম্বোধন",
    "system": "system সিস্টেম",
}
"""The parts of an example, each with the names of its column."""

MIXED = 0.05
"""The share of the words of a text that may mix Bengali letters with letters of another script."""


def read_examples(
    source: str | Path,
    *,
    layout: Layout = "auto",
    columns: Mapping[str, str] | None = None,
    bad_rows: BadRows = "refuse",
) -> list[Example]:
    """Return all examples of a source, normalised, in the order of the source.

    Args:
        source: a file (.jsonl, .json, .csv, .tsv, .parquet), a folder of such files, or owner/name
            of a data set on the hub, such as shuvo-xyz/BLADE.
        layout: messages (OpenAI), sharegpt, alpaca, or pairs of prompt and completion. auto
            chooses by the names of the columns.
        columns: the columns of pairs by part (prompt, completion, topic, register, system), for
            columns that are not recognised by their names.
        bad_rows: whether to refuse a file at its first invalid row, or to skip such rows with a
            warning.

    Raises:
        ReadError: a row is invalid, or there is no valid row. The message names file and row. Or a
            link leads out of the folder.
        RecipeError: `columns` names a column that does not exist.
        PluginError: a Parquet file needs pyarrow, which is not installed.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_bangla import read_examples
        >>> row = '{"prompt": "বন্ধুকে চিঠি লেখো।", "completion": "তুমি কেমন আছ?"}'
        >>> size = Path("letters.jsonl").write_text(row, encoding="utf-8")
        >>> [len(example.messages) for example in read_examples("letters.jsonl")]
        [2]
    """
    return read_conversations(
        source, layout=layout, columns=columns, bad_rows=bad_rows, make=_example, known=_COLUMNS
    )


def check_messages(messages: list[Message], where: str) -> None:
    """Refuse an example that is not Bangla, or from which no model should learn.

    Args:
        messages: the turns. The last turn is the completion. Prompts may be in any language.
        where: `FILE, row N`, for errors.

    Raises:
        ReadError: a turn is empty, too long, mojibake or Bijoy (ANSI), or the completion is in
            another language or mixes scripts within words.
    """
    for number, message in enumerate(messages, 1):
        last = number == len(messages)
        what = "the completion" if last else f"turn {number} ({message.role})"
        if not message.content:
            raise ReadError(where, f"{what} is empty", "Fill it in, or leave the row out")
        if len(message.content) > CELL:
            rule = f"{what} has {len(message.content):,} characters, but at most {CELL:,} may be"
            raise ReadError(where, rule, "Look for an unclosed quotation mark, or split the text")
        if not last:
            _check_coding(message.content, f"{where}, {what}")
    answer = messages[-1].content
    require_bangla(answer, f"{where}, the completion")
    mixed = mixed_words(answer)
    if len(mixed) > max(2.0, MIXED * len(answer.split())):
        rule = f"words mix Bengali letters with other letters ({', '.join(mixed[:3])})"
        raise ReadError(f"{where}, the completion", rule, "Write each word in one script")


def _check_coding(text: str, where: str) -> None:
    if MOJIBAKE.search(text) or is_bijoy(text):
        require_bangla(text, where)  # raises unless the text is mostly Bangla


def _example(turns: list[Mapping[str, Any]], parts: Mapping[str, Any], where: str) -> Example:
    messages = [Message(turn["role"], normalise(turn["content"]).strip()) for turn in turns]
    check_messages(messages, where)
    try:
        register = levels_of(parts.get("register"))
    except CheckerError as error:
        raise ReadError(f"{where}, {error.value}", error.rule, error.remedy) from error
    topic = parts.get("topic") or messages[0].content
    return Example(tuple(messages), register, re.sub(r"\s+", " ", normalise(str(topic))).strip())
