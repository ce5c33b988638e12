"""A table of samples, cut by a column: each hospital, survey or vehicle becomes a site."""

from __future__ import annotations

import atexit
import csv
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from scionwood.authoring import reading
from scionwood_federated.update.record import FederationError


def table_of(recipe: Any, column: str) -> tuple[str, Path] | None:
    """Return the option of the data that names a table with a column, and the table.

    Args:
        recipe: the recipe.
        column: the name of the column.
    """
    for name, value in recipe.data.options.items():
        if isinstance(value, str | Path) and Path(value).suffix.lower() == ".csv":
            path = Path(value)
            if path.is_file() and column in _heading(path):
                return name, path
    return None


def cut(table: Path, column: str) -> dict[str, Path]:
    """Write the rows of each value of a column into a table of its own.

    Paths relative to the table become absolute, since the parts lie elsewhere. The parts go when
    the process ends.

    Args:
        table: the table.
        column: the column; it is left out of the parts.

    Returns:
        The tables by value.

    Raises:
        FederationError: a row has no value in the column.
        ReadError: the table cannot be read.
    """
    with reading(table, "table (.csv)"), table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    parts: dict[str, list[dict[str, str]]] = {}
    for number, row in enumerate(rows, 2):
        value = (row.pop(column) or "").strip()
        if not value:
            rule = f"its line {number} has no {column}"
            raise FederationError(str(table), rule, "Fill the column, or leave the line out")
        parts.setdefault(value, []).append(_absolute(row, table.parent))
    folder = Path(mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    paths = {}
    for number, (value, rows) in enumerate(sorted(parts.items())):
        paths[value] = folder / f"{number}.csv"
        with paths[value].open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return paths


def _heading(path: Path) -> list[str]:
    with reading(path, "table (.csv)"), path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file), [])


def _absolute(row: Mapping[str, str], base: Path) -> dict[str, str]:
    return {
        key: str((base / value).absolute()) if value and (base / value).is_file() else value
        for key, value in row.items()
    }
