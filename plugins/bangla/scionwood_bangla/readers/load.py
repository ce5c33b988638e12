"""Read examples from a file, a folder or the hub, and check each row."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from scionwood import ReadError, RecipeError, call_in_child, check_inside, reading
from scionwood_bangla.lexicon.levels import levels_of
from scionwood_bangla.readers.columns import find_columns
from scionwood_bangla.readers.layouts import Layout, layout_of, messages_of
from scionwood_bangla.readers.rows import CELL, SUFFIXES, Row, read_rows
from scionwood_bangla.text.examples import Example, Message
from scionwood_bangla.text.normalise import normalise
from scionwood_bangla.text.reading import MOJIBAKE, is_bijoy, mixed_words, require_bangla

BadRows = Literal["refuse", "skip"]
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
        >>> from scionwood_bangla.api import read_examples
        >>> row = '{"prompt": "বন্ধুকে চিঠি লেখো।", "completion": "তুমি কেমন আছ?"}'
        >>> size = Path("letters.jsonl").write_text(row, encoding="utf-8")
        >>> [len(example.messages) for example in read_examples("letters.jsonl")]
        [2]
    """
    examples: list[Example] = []
    refused: list[ReadError] = []
    for path in tables_of(source):
        for item in call_in_child(_read, path, layout, columns, bad_rows == "skip"):
            if isinstance(item, Example):
                examples.append(item)
            else:
                refused.append(ReadError(*item))
    if refused and examples:
        count = f"{len(refused)} of {len(refused) + len(examples)} rows were skipped"
        warnings.warn(f"{count}; the first: {refused[0]}", stacklevel=2)
    if not examples:
        rule = f"none of its {len(refused)} rows is valid" if refused else "it has no rows"
        remedy = str(refused[0]) if refused else "Give a file with at least one row"
        raise ReadError(str(source), rule, remedy)
    return examples


def _read(
    path: Path, layout: Layout, columns: Mapping[str, str] | None, skip: bool
) -> Iterator[Example | tuple[str, str, str]]:
    """Yield the example of each row, or the parts of the error of a row to skip."""
    for where, row in read_rows(path):
        try:
            yield _example(row, layout, columns, where)
        except ReadError as error:
            if not skip:
                raise
            yield error.value, error.rule, error.remedy


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


def _example(row: Row, layout: Layout, columns: Mapping[str, str] | None, where: str) -> Example:
    names = [str(name) for name in row]
    kind = layout_of(names) if layout == "auto" and not columns else layout
    kind = "pairs" if kind == "auto" else kind
    parts = find_columns(names, columns, where) if kind == "pairs" else _extras(names)
    messages = messages_of(row, kind, parts, where)
    check_messages(messages, where)
    try:
        register = levels_of(_optional(row, parts, "register"))
    except RecipeError as error:
        raise ReadError(f"{where}, {error.value}", error.rule, error.remedy) from error
    topic = _optional(row, parts, "topic") or messages[0].content
    return Example(tuple(messages), register, re.sub(r"\s+", " ", normalise(str(topic))).strip())


def _extras(names: list[str]) -> dict[str, str]:
    return {part: part for part in ("topic", "register") if part in names}


def _optional(row: Row, parts: Mapping[str, str], part: str) -> Any:
    return row.get(parts[part]) if part in parts else None


def _blobs(folder: Path) -> str:
    """Return where the links of the hub's cache lead, `blobs` beside `snapshots`; else nothing."""
    real = folder.resolve()
    return str(real.parents[1] / "blobs") if real.parent.name == "snapshots" else ""


def tables_of(source: str | Path) -> list[Path]:
    """Return the files of a source; see `read_examples`.

    Raises:
        ReadError: there is none, or a link leads out of the folder.
    """
    path = Path(source)
    if path.is_dir():
        with reading(path, "folder"):
            files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        for file in files:
            check_inside(file, path, "table", allow=_blobs(path))
        if not files:
            rule = f"it has no file of the types {', '.join(SUFFIXES)}"
            raise ReadError(str(path), rule, "Name a folder with such files")
        return files
    if path.suffix or path.exists() or not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        if not path.exists():
            raise ReadError(str(path), "there is no such file", "Check the path")
        return [path]
    from scionwood_bangla.readers.hub import download

    return download(str(source))
