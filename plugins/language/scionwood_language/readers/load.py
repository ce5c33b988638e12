"""Read conversations from a file, a folder or the hub, and check each row."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from scionwood import ReadError
from scionwood.authoring import call_in_child, check_inside, reading
from scionwood_language.chat.templates import Message
from scionwood_language.readers.layouts import Layout, conversation_of
from scionwood_language.readers.rows import CELL, SUFFIXES, read_rows

if TYPE_CHECKING:
    from scionwood.authoring import DataFiles

BadRows = Literal["refuse", "skip"]


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


def read_conversations(
    source: str | Path,
    *,
    layout: Layout = "auto",
    columns: Mapping[str, str] | None = None,
    bad_rows: BadRows = "refuse",
) -> list[Conversation]:
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
    conversations: list[Conversation] = []
    refused: list[str] = []
    for path in tables_of(source):
        for row in call_in_child(_read, path, layout, columns, bad_rows == "skip"):
            if isinstance(row, str):
                refused.append(row)
            else:
                conversations.append(Conversation(*row))
    if refused and conversations:
        count = f"{len(refused)} of {len(refused) + len(conversations)} rows were skipped"
        warnings.warn(f"{count}; the first: {refused[0]}", stacklevel=2)
    if not conversations:
        rule = f"none of its {len(refused)} rows is valid" if refused else "it has no rows"
        remedy = refused[0] if refused else "Give a file with at least one row"
        raise ReadError(str(source), rule, remedy)
    return conversations


def read_all(
    source: str | Path, read: Callable[[str | Path], list[Conversation]], files: DataFiles
) -> list[Conversation]:
    """Return the conversations of all files of a source.

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

    Raises:
        ReadError: there is none, or a link leads out of the folder.
    """
    path = Path(source)
    if path.is_dir():
        with reading(path, "folder"):
            files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        real = path.resolve()
        # The links of the hub's cache lead from `snapshots` to `blobs` beside it.
        in_cache = real.parent.name == "snapshots"
        for file in files:
            allowed = str(real.parents[1] / "blobs") if in_cache else ""
            check_inside(file, path, "table", allow=allowed)
        if not files:
            rule = f"it has no file of the types {', '.join(SUFFIXES)}"
            raise ReadError(str(path), rule, "Name a folder with such files")
        return files
    if path.suffix or path.exists() or not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        if not path.exists():
            raise ReadError(str(path), "there is no such file", "Check the path")
        return [path]
    return _download(str(source))


def _download(name: str) -> list[Path]:
    """Download the tables of a data set to the cache of the hub. No code is downloaded."""
    from huggingface_hub import hf_hub_download, list_repo_files

    try:
        names = list_repo_files(name, repo_type="dataset")
        tables = sorted(file for file in names if file.lower().endswith(SUFFIXES))
        paths = [Path(hf_hub_download(name, file, repo_type="dataset")) for file in tables]
    except Exception as error:  # of the hub or of its HTTP library; the message is repeated
        first = (str(error).splitlines() or [type(error).__name__])[0]
        remedy = "Download the file yourself, and give its path"
        raise ReadError(f"hf.co/datasets/{name}", f"it cannot be read ({first})", remedy) from error
    if not paths:
        rule = f"it has no file of the types {', '.join(SUFFIXES)}"
        raise ReadError(f"hf.co/datasets/{name}", rule, "Name another data set")
    return paths


def _read(
    path: Path, layout: Layout, columns: Mapping[str, str] | None, skip: bool
) -> Iterator[Any]:
    """Yield the conversation of each row, or the message about a row to skip."""
    for where, row in read_rows(path):
        try:
            messages, topic = conversation_of(row, layout, columns, where)
            for number, message in enumerate(messages, 1):
                what = f"turn {number} ({message['role']})"
                if not message["content"]:
                    raise ReadError(where, f"{what} is empty", "Fill it in, or leave the row out")
                if (length := len(message["content"])) > CELL:
                    rule = f"{what} has {length:,} characters, but at most {CELL:,} may be"
                    remedy = "Look for an unclosed quotation mark, or split the text"
                    raise ReadError(where, rule, remedy)
            name = str(topic or messages[0]["content"])
            yield messages, re.sub(r"\s+", " ", name).strip()
        except ReadError as error:
            if not skip:
                raise
            yield str(error)
