"""CSV files that name recordings, and their splits."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

from torch.utils.data import Dataset

from scionwood import ReadError, RecipeError
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


def deal(groups: Sequence[str], seed: int, what: str) -> dict[str, list[int]]:
    """Deal rows into `train`, `val` and `test`, about 70, 15 and 15 of 100 groups.

    Args:
        groups: the group of each row, such as its recording.
        seed: seed of the order of the groups.
        what: what the rows are, for the error.

    Raises:
        RecipeError: there are fewer than three groups.
    """
    names = sorted(set(groups))
    if len(names) < 3:
        rule = "train, validation and test need at least one recording each"
        raise RecipeError(f"{what} of {len(names)} recordings", rule, "Add recordings")
    random.Random(seed).shuffle(names)
    few = max(1, round(0.15 * len(names)))
    of_name = {name: "val" if k < few else "test" for k, name in enumerate(names[: 2 * few])}
    parts: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for row, group in enumerate(groups):
        parts[of_name.get(group, "train")].append(row)
    return parts


@final
class Items(Dataset[dict[str, Any]]):
    """A data set of functions, each of which makes one example."""

    def __init__(self, makers: Sequence[Callable[[], dict[str, Any]]]) -> None:
        self.makers = makers

    def __len__(self) -> int:
        return len(self.makers)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.makers[index]()
