"""Find the columns of the prompt, the answer and the topic by their names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from scionwood import ReadError, RecipeError

NAMES: Mapping[str, str] = {
    "prompt": "prompt question instruction query input user request",
    "completion": "completion response answer output reply target assistant",
    "topic": "topic title theme category subject",
    "system": "system",
}
"""The parts of an example, each with the names by which its column is recognised."""

REQUIRED = ("prompt", "completion")


def find_columns(
    names: Sequence[str],
    columns: Mapping[str, str] | None,
    where: str,
    aliases: Mapping[str, str] = NAMES,
) -> dict[str, str]:
    """Return the column of each part of an example.

    A column is recognised by its name. A whole name takes precedence over a
    word in a name, such as `Prompt (Bangla)`.

    Args:
        names: the names of all columns.
        columns: columns by part, which take precedence over recognised columns.
        where: the file, for errors.
        aliases: the parts, each with the names of its column, separated by spaces.

    Returns:
        The column by part: `prompt` and `completion`, and the others that exist.

    Raises:
        RecipeError: a part or a column in `columns` does not exist.
        ReadError: no column, or more than one column, could be the prompt or the answer.
    """
    chosen = _check_columns(names, columns or {}, where, aliases)
    for part, words in aliases.items():
        if part in chosen:
            continue
        free = [name for name in names if name not in chosen.values()]
        matches = _matching(free, words.split())
        if len(matches) == 1:
            chosen[part] = matches[0]
        elif part in REQUIRED:
            listed = ", ".join(matches or names)
            rule = f"{listed} could all be" if matches else f"none of {listed} is"
            remedy = f"Name it: data.columns: {{{part}: COLUMN}}"
            raise ReadError(where, f"{rule} the column of the {part}", remedy)
    return chosen


def _check_columns(
    names: Sequence[str], columns: Mapping[str, str], where: str, aliases: Mapping[str, str]
) -> dict[str, str]:
    for part, name in columns.items():
        if part not in aliases:
            rule = "an example has no such part"
            raise RecipeError(f"columns: {part!r}", rule, f"Use any of {', '.join(aliases)}")
        if name not in names:
            rule = f"{where} has no such column"
            raise RecipeError(f"columns: {part}: {name!r}", rule, f"It has: {', '.join(names)}")
    return dict(columns)


def _matching(names: Sequence[str], words: Sequence[str]) -> list[str]:
    plain = {name: _plain(name) for name in names}
    words = [_plain(word) for word in words]
    for word in words:
        if exact := [name for name in names if plain[name] == word]:
            return exact
    parts = {name: set(re.split(r"[^\w\u0900-\u0dff]+|_", plain[name])) for name in names}
    return [name for name in names if parts[name] & set(words)]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip().lower()
