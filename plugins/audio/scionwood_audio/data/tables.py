"""CSV files that name recordings, and their splits."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from pathlib import Path

from scionwood import ReadError, RecipeError
from scionwood.authoring import Split, read_utf8, reading


def read_rows(path: str | Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file by the names of its columns."""
    with reading(path, "CSV table"):
        reader = csv.DictReader(io.StringIO(read_utf8(Path(path)), newline=""))
        columns = reader.fieldnames or []
        for name in needed:
            if name not in columns:
                rule = f"it has no column {name!r}; its columns are {', '.join(columns) or 'none'}"
                remedy = f"Name the columns {','.join(needed)} in its first line"
                raise ReadError(str(path), rule, remedy)
        rows = list(reader)
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            rule = f"line {number} has not {len(columns)} cells"
            raise ReadError(str(path), rule, "Quote cells that contain a comma")
    if not rows:
        raise ReadError(str(path), "it has no rows", "Write one recording a line")
    return [{name: cell.strip() for name, cell in row.items()} for row in rows]


def deal(recordings: Sequence[str], seed: int) -> dict[Split, list[int]]:
    """Deal rows into three splits, about 70, 15 and 15 of 100 recordings."""
    names = sorted(set(recordings))
    if len(names) < 3:
        rule = "train, validation and test need at least one recording each"
        raise RecipeError(f"clips of {len(names)} recordings", rule, "Add recordings")
    random.Random(seed).shuffle(names)
    few = max(1, round(0.15 * len(names)))
    parts: dict[Split, list[int]] = {"train": [], "val": [], "test": []}
    for row, name in enumerate(recordings):
        place = names.index(name)
        parts["val" if place < few else "test" if place < 2 * few else "train"].append(row)
    return parts
