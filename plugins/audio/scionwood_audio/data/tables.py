"""CSV files that name recordings."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from scionwood import ReadError
from scionwood.authoring import read_utf8, reading


def read_rows(path: str | Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file by the names of its columns.

    Args:
        path: the file, UTF-8.
        needed: columns that it must have.

    Raises:
        ReadError: the file cannot be read, is empty, lacks a column, or a row is short.
    """
    with reading(path, "CSV table"):
        reader = csv.DictReader(read_utf8(Path(path)).splitlines())
        columns = reader.fieldnames or []
        if missing := [name for name in needed if name not in columns]:
            rule = (
                f"it has no column {missing[0]!r}; its columns are {', '.join(columns) or 'none'}"
            )
            raise ReadError(
                str(path), rule, f"Name the columns {','.join(needed)} in its first line"
            )
        rows = []
        for number, row in enumerate(reader, 2):
            if None in row or None in row.values():
                rule = f"line {number} has not {len(columns)} cells"
                raise ReadError(str(path), rule, "Quote cells that contain a comma")
            rows.append({name: cell.strip() for name, cell in row.items()})
    if not rows:
        raise ReadError(str(path), "it has no rows", "Write one recording a line")
    return rows


def resolved(table: str | Path, name: str) -> Path:
    """Return a path of a table, which is relative to the folder of the table."""
    return Path(table).parent / name
