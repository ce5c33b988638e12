"""Format the answer of a query as a table in Markdown."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

EMPTY = "Not measured yet.\n"


def table(answer: sqlite3.Cursor) -> str:
    """Return a table in Markdown, or a sentence if nothing was measured yet."""
    head = [column[0] for column in answer.description]
    rows = [["" if cell is None else str(cell) for cell in row] for row in answer]
    if not rows:
        return EMPTY
    if head[-2:] == ["across", "cell"]:
        head, rows = spread_out(head[:-2], rows)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def spread_out(
    keys: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    """Return a head and rows in which each value of the column `across` is a column of its own."""
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for *key, across, cell in rows:
        cells.setdefault(tuple(key), {})[across] = cell
    columns = list(dict.fromkeys(row[-2] for row in rows))
    lines = [[*key, *(by.get(name, "") for name in columns)] for key, by in cells.items()]
    return [*keys, *columns], lines
