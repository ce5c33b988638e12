"""Read results, format them as Markdown tables, and insert these into pages."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

RESULTS = Path(__file__).parents[1] / "results"
MARK = re.compile(r"(<!-- table: ([a-z_]+) -->\n).*?(<!-- end -->)", re.DOTALL)
Row = dict[str, str]
Tables = Mapping[str, Callable[[], str]]


def read(name: str) -> list[Row]:
    """Return the rows of a file of results."""
    with (RESULTS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def spread(values: Sequence[float], form: str) -> str:
    """Return mean and standard deviation over seeds; one value alone; empty for no value."""
    if len(values) < 2:
        return "".join(f"{value:{form}}" for value in values)
    return f"{mean(values):{form}} ± {stdev(values):{form.lstrip('+z')}}"


def interval(row: Row | None) -> str:
    """Return a ratio and its 95 % interval; empty if the row or the ratio is missing."""
    if row is None or not row["times_ours"]:
        return ""
    middle, low, high = (float(row[name]) for name in ("times_ours", "ci_low", "ci_high"))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def fill(text: str, tables: Tables) -> str:
    """Return a page with each table between `<!-- table: NAME -->` and `<!-- end -->` replaced.

    Args:
        text: the text of the page.
        tables: functions by name; marks with other names are left alone.
    """
    return MARK.sub(
        lambda mark: mark[1] + tables[mark[2]]() + mark[3] if mark[2] in tables else mark[0],
        text,
    )
