"""Load files of results into a database in memory, with the functions that format a cell."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from statistics import StatisticsError, mean, median, stdev
from statistics import correlation as pearson
from typing import Any

Value = str | float | None


def load(folder: Path) -> sqlite3.Connection:
    """Return a database of every CSV in a folder, a table of the name of the file.

    Cells are texts, so that a number that is shown as it is keeps its digits; `cell + 0` is its
    number. An empty cell is NULL. The column `place` is the number of the row in the file.
    """
    database = sqlite3.connect(":memory:")
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            head, *rows = csv.reader(file)
        columns = ", ".join(f"[{name}] TEXT" for name in head)
        database.execute(f"CREATE TABLE [{path.stem}] (place INTEGER PRIMARY KEY, {columns})")
        marks = ", ".join("?" * len(head))
        names = ", ".join(f"[{name}]" for name in head)
        database.executemany(
            f"INSERT INTO [{path.stem}] ({names}) VALUES ({marks})",
            ([cell or None for cell in row] for row in rows),
        )
    for function in (digits, interval, bounds, difference, change, tail):
        database.create_function(function.__name__, -1, function, deterministic=True)
    for compute in (spread, half_range, mean, median, deviation, auc, correlation):
        database.create_aggregate(compute.__name__, -1, collecting(compute))
    return database


def digits(value: Value, form: str) -> str | None:
    """Return a number in a format of Python; NULL for NULL."""
    return None if value is None else format(float(value), form)


def interval(middle: Value, low: Value, high: Value) -> str | None:
    """Return a ratio and its 95 % interval; NULL if the ratio is missing."""
    if middle is None:
        return None
    return f"{digits(middle, '.2f')} ({digits(low, '.2f')} to {digits(high, '.2f')})"


def bounds(middle: Value, low: Value, high: Value, form: str) -> str | None:
    """Return a number and its interval in brackets; NULL if the number is missing."""
    if middle is None:
        return None
    return f"{digits(middle, form)} [{digits(low, form)}, {digits(high, form)}]"


def difference(middle: Value, low: Value, high: Value) -> str | None:
    """Return a difference and its interval in brackets, bold if the interval excludes zero."""
    text = bounds(middle, low, high, "+.3f")
    return f"**{text}**" if text and (float(low) > 0 or float(high) < 0) else text


def change(before: Value, after: Value) -> str:
    """Return a number before and after; without those that are NULL."""
    return " → ".join(digits(value, "z.2f") for value in (before, after) if value is not None)


def tail(path: str) -> str:
    """Return a path; of one with more than three parts, the last two."""
    parts = path.split("/")
    return path if len(parts) <= 3 else "/".join(("...", *parts[-2:]))


def collecting(compute: Callable[..., Value]) -> type:
    """Return an aggregate that computes on the rows of a group whose first value is not NULL."""

    class Aggregate:
        def __init__(self) -> None:
            self.rows: list[tuple[Any, ...]] = []

        def step(self, *row: Any) -> None:
            if row[0] is not None:
                self.rows.append((float(row[0]), *row[1:]))

        def finalize(self) -> Value:
            return compute(*zip(*self.rows, strict=True)) if self.rows else None

    return Aggregate


def spread(values: Sequence[float], forms: Sequence[str]) -> str:
    """Return mean and standard deviation, or one value alone."""
    form = forms[0]
    if not all(map(isfinite, values)):
        return "not finite"
    if len(values) < 2:
        return format(values[0], form)
    return f"{mean(values):{form}} ± {stdev(values):{form.lstrip('+z')}}"


def deviation(values: Sequence[float]) -> Value:
    """Return the standard deviation; NULL for one value."""
    return stdev(values) if len(values) > 1 else None


def correlation(values: Sequence[float], others: Sequence[str]) -> Value:
    """Return the correlation of two columns; NULL if one does not vary."""
    try:
        return pearson(values, [float(other) for other in others])
    except StatisticsError:
        return None


def half_range(values: Sequence[float]) -> str:
    """Return the mean, with half of the range over the rows if there are several."""
    form = ".2f" if abs(mean(values)) < 20 else ".1f"
    if len(values) < 2:
        return format(mean(values), form)
    return f"{mean(values):{form}} ± {(max(values) - min(values)) / 2:{form}}"


def auc(values: Sequence[float], positive: Sequence[int]) -> float:
    """Return the share of pairs in which the positive is larger; ties count a half."""
    high = [value for value, yes in zip(values, positive, strict=True) if yes]
    low = [value for value, yes in zip(values, positive, strict=True) if not yes]
    pairs = [(h > v) + 0.5 * (h == v) for v in low for h in high]
    return sum(pairs) / len(pairs)
