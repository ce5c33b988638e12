"""The rows of metrics.csv."""

from __future__ import annotations

import csv
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_INTEGER_KEYS = frozenset({"step", "epoch"})


def read_metrics(path: Path) -> list[dict[str, str]]:
    """Return the rows of a metrics file without empty cells; an empty list if it does not exist."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = [{k: v for k, v in row.items() if k and v} for row in csv.DictReader(file)]
    return [row for row in rows if row.get("step", "").isdigit()]  # a kill may cut the last line


def metrics_table(path: Path) -> Any:
    """Return the numbers of a metrics file: a DataFrame if pandas is installed, else dictionaries.

    Returns:
        A row for each step and each validation. A DataFrame has NaN where a row lacks a value; a
        dictionary leaves it out.
    """
    rows = [
        {key: int(value) if key in _INTEGER_KEYS else float(value) for key, value in row.items()}
        for row in read_metrics(path)
    ]
    return import_module("pandas").DataFrame(rows) if find_spec("pandas") else rows
