"""Tables whose rows name files: studies with a label, or volumes with a mask."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from scionwood import ReadError, RecipeError
from scionwood.authoring import check_inside, reading

_WIDER = "Copy the file there, or give `root`, a folder that holds all files"


def table_rows(
    source: Path, root: str, columns: Sequence[str], paths: Sequence[str]
) -> Iterator[dict[str, str]]:
    """Yield the rows of a table: each column, and `split`, which is empty if it is not stated.

    Args:
        source: the table.
        root: another folder in which files may lie; empty means none.
        columns: the columns that every row fills in.
        paths: those that name a file or a folder; they come back joined to the folder of the table.

    Raises:
        RecipeError: a column or a value is missing.
        ReadError: a path does not exist, or leads out of the folder.
    """
    with reading(source, "table (.csv)"), source.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if missing := set(columns) - set(rows.fieldnames or ()):
            rule = f"it has no column {', '.join(sorted(missing))}"
            raise RecipeError(str(source), rule, "Add it; splits are by subject")
        for number, row in enumerate(rows, start=2):
            values = {name: (row[name] or "").strip() for name in columns}
            if empty := [name for name in columns if not values[name]]:
                rule = f"line {number} has no {empty[0]}"
                raise RecipeError(str(source), rule, "Fill it in, or remove the line")
            line = f"line {number} of {source.name}"
            for name in paths:
                path = source.parent / values[name]
                check_inside(path, source.parent, line, remedy=_WIDER, allow=root)
                if not path.exists():
                    rule = f"{line} names it, and it does not exist"
                    raise ReadError(str(path), rule, "Copy the files, or correct the line")
                values[name] = str(path)
            yield {**values, "split": (row.get("split") or "").strip()}
