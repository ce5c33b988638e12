"""Words and numbers by name on the command line, and rows as a table or JSON."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping, Sequence
from typing import Any

from scionwood import RecipeError
from scionwood.authoring import print_table


def numbers_of(words: Mapping[str, Any] | Sequence[str] | None) -> dict[str, Any]:
    """Return numbers by name, from a mapping or from words of the form NAME=NUMBER.

    Raises:
        RecipeError: a word has another form.
    """
    if isinstance(words, Mapping):
        return dict(words)
    numbers = {}
    for word in words or ():
        name, _, value = word.partition("=")
        try:
            numbers[name] = float(value)
        except ValueError:
            rule = "each word is NAME=NUMBER"
            raise RecipeError(word, rule, "Such as viscosity=0.05") from None
    return numbers


def words_of(words: Mapping[str, str] | Sequence[str] | None) -> dict[str, str] | None:
    """Return words by name, from a mapping or from words of the form NAME=WORD; `None` for none.

    Raises:
        RecipeError: a word has another form, or a name occurs twice.
    """
    if isinstance(words, Mapping):
        return dict(words) or None
    pairs: dict[str, str] = {}
    for word in words or ():
        name, _, value = word.partition("=")
        if not name or not value or name in pairs:
            raise RecipeError(word, "each word is NAME=WORD, with each name once", "Such as x=lon")
        pairs[name] = value
    return pairs or None


def print_rows(rows: Sequence[Mapping[str, str | float]], as_json: bool) -> None:
    """Print rows as JSON, or as a table for people."""
    if as_json:
        print(json_module.dumps(rows, indent=1))
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    numeric = [name for name in columns if any(isinstance(row.get(name), float) for row in rows)]
    cells = [[_rounded(row.get(name)) for name in columns] for row in rows]
    print_table(columns, cells, numeric=numeric)


def _rounded(value: str | float | None) -> str | None:
    return f"{value:.4g}" if isinstance(value, float) else value
