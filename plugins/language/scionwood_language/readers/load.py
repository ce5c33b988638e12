"""Read conversations from a file, a folder or the hub, and check each row."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from scionwood import ReadError
from scionwood.authoring import call_in_child, check_inside, reading
from scionwood_language.chat.templates import Message
from scionwood_language.readers.columns import NAMES, find_columns
from scionwood_language.readers.layouts import Layout, layout_of, messages_of
from scionwood_language.readers.rows import CELL, SUFFIXES, Row, read_rows

if TYPE_CHECKING:
    from scionwood.authoring import DataFiles

BadRows = Literal["refuse", "skip"]
Made = TypeVar("Made")
Make = Callable[[list[Message], Mapping[str, Any], str], Made]
"""Takes the turns of a row, the other parts that were found, and `FILE, row N` for errors."""


class Conversation(NamedTuple):
    """A conversation of a file.

    Attributes:
        messages: the turns, of which the last is the assistant's.
        topic: what it is about. A split keeps all conversations of a topic together.

    Example:
        >>> from scionwood_language import Conversation
        >>> turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
        >>> Conversation(turns, topic="greetings").topic
        'greetings'
    """

    messages: list[Message]
    topic: str


def conversation(messages: list[Message], parts: Mapping[str, Any], where: str) -> Conversation:
    """Return the conversation of a row, or refuse a turn that is empty or too long.

    Args:
        messages: the turns.
        parts: the cells of the other parts.
        where: `FILE, row N`, for errors.

    Raises:
        ReadError: a turn is empty, or has more than `CELL` characters.
    """
    for number, message in enumerate(messages, 1):
        what = f"turn {number} ({message['role']})"
        if not message["content"]:
            raise ReadError(where, f"{what} is empty", "Fill it in, or leave the row out")
        if (length := len(message["content"])) > CELL:
            rule = f"{what} has {length:,} characters, but at most {CELL:,} may be"
            raise ReadError(where, rule, "Look for an unclosed quotation mark, or split the text")
    topic = str(parts.get("topic") or messages[0]["content"])
    return Conversation(messages, re.sub(r"\s+", " ", topic).strip())


def read_conversations(
    source: str | Path,
    *,
    layout: Layout = "auto",
    columns: Mapping[str, str] | None = None,
    bad_rows: BadRows = "refuse",
    make: Make[Any] = conversation,
    known: Mapping[str, str] = NAMES,
) -> list[Any]:
    """Return all conversations of a source, in its order.

    Args:
        source: a file (.jsonl, .json, .csv, .tsv, .parquet), a folder of such files, or owner/name
            of a data set on the hub.
        layout: messages (OpenAI), sharegpt, alpaca, or pairs of prompt and completion. auto
            chooses by the names of the columns.
        columns: the columns of pairs by part (prompt, completion, topic, system), for columns that
            are not recognised by their names.
        bad_rows: whether to refuse a file at its first invalid row, or to skip such rows with a
            warning.
        make: makes an example of a row or refuses it; by default a `Conversation`.
        known: the parts of an example, each with the names of its column.

    Raises:
        ReadError: a row is invalid, or there is no valid row. The message names file and row. Or a
            link leads out of the folder.
        RecipeError: `columns` names a column that does not exist.
        PluginError: a Parquet file needs pyarrow, which is not installed.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_language import read_conversations
        >>> size = Path("sums.jsonl").write_text('{"prompt": "1 + 1?", "completion": "2."}')
        >>> [each.messages[-1]["content"] for each in read_conversations("sums.jsonl")]
        ['2.']
    """
    examples: list[Any] = []
    refused: list[ReadError] = []
    for path in tables_of(source):
        for row in call_in_child(_read, path, layout, columns, bad_rows == "skip", dict(known)):
            try:
                if row[0] == "refused":
                    raise ReadError(*row[1:])
                examples.append(make(*row[1:]))
            except ReadError as error:
                if bad_rows == "refuse":
                    raise
                refused.append(error)
    if refused and examples:
        count = f"{len(refused)} of {len(refused) + len(examples)} rows were skipped"
        warnings.warn(f"{count}; the first: {refused[0]}", stacklevel=2)
    if not examples:
        rule = f"none of its {len(refused)} rows is valid" if refused else "it has no rows"
        remedy = str(refused[0]) if refused else "Give a file with at least one row"
        raise ReadError(str(source), rule, remedy)
    return examples


def read_all(
    source: str | Path, read: Callable[[str | Path], list[Made]], files: DataFiles
) -> list[Made]:
    """Return the examples of all files of a source.

    Args:
        source: a file, a folder, or a data set on the hub.
        read: reads a source or one of its files.
        files: whether a file that is refused stops the reading, or is left out.

    Raises:
        ReadError: a file is refused, or the source has none.
    """
    if files.on_bad_file == "raise":
        return read(source)
    tables = tables_of(source)
    files.also(tables)  # a data set of the hub lies elsewhere
    return [example for part in files.readable(tables, read).values() for example in part]


def tables_of(source: str | Path) -> list[Path]:
    """Return the files of a source; see `read_conversations`.

    Args:
        source: a file, a folder, or owner/name of a data set on the hub.

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
    from scionwood_language.readers.hub import download

    return download(str(source))


def _read(
    path: Path,
    layout: Layout,
    columns: Mapping[str, str] | None,
    skip: bool,
    aliases: Mapping[str, str],
) -> Iterator[tuple[Any, ...]]:
    """Yield `("row", messages, parts, where)`, or the parts of the error of a row to skip."""
    for where, row in read_rows(path):
        try:
            yield ("row", *_parts(row, layout, columns, where, aliases), where)
        except ReadError as error:
            if not skip:
                raise
            yield "refused", error.value, error.rule, error.remedy


def _parts(
    row: Row,
    layout: Layout,
    columns: Mapping[str, str] | None,
    where: str,
    aliases: Mapping[str, str],
) -> tuple[list[Message], dict[str, Any]]:
    names = [str(name) for name in row]
    kind = layout_of(names) if layout == "auto" and not columns else layout
    kind = "pairs" if kind == "auto" else kind
    same_names = {part: part for part in aliases if part in names}
    places = find_columns(names, columns, where, aliases) if kind == "pairs" else same_names
    messages = messages_of(row, kind, places, where)
    others = {part: name for part, name in places.items() if part not in ("prompt", "completion")}
    return messages, {part: row.get(name) for part, name in others.items()}


def _blobs(folder: Path) -> str:
    """Return where the links of the hub's cache lead, `blobs` beside `snapshots`; else nothing."""
    real = folder.resolve()
    return str(real.parents[1] / "blobs") if real.parent.name == "snapshots" else ""
