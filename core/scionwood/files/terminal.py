"""Output for people: through rich on a terminal, plain text in a pipe, HTML in a notebook."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

from scionwood.errors import visible

Cell = str | int | float | None


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    title: str = "",
    numeric: Collection[str] = (),
) -> None:
    """Print a table on stdout.

    On a terminal the table fits the width of the window, and long cells are wrapped. Elsewhere it
    is plain text with one line a row: columns are padded with spaces and separated by two, nothing
    is cut, and a line break inside a cell becomes a semicolon. Control characters are escaped.

    Args:
        columns: the headings.
        rows: one cell for each column. None is an empty cell, a float has six significant digits.
        title: a line above the table.
        numeric: the columns that are aligned to the right.

    Raises:
        ValueError: a row has more or fewer cells than there are columns, or `numeric` names a
            column that does not exist.

    Example:
        >>> authoring.print_table(("file", "SNR, dB"), [("a.sgy", 14.1), ("b.sgy", 12.9)])
        file   SNR, dB
        a.sgy  14.1
        b.sgy  12.9
    """
    title = visible(title)
    texts = [[_text(cell) for cell in row] for row in rows]
    _check(columns, texts, numeric)
    if sys.stdout.isatty():
        _print_rich(columns, texts, title, numeric)
        return
    texts = [[cell.replace("\n", "; ") for cell in row] for row in texts]
    widths = [max(map(len, column)) for column in zip(columns, *texts, strict=True)]
    lines = [title] if title else []
    for row in (columns, *texts):
        cells = (
            cell.rjust(width) if name in numeric else cell.ljust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        )
        lines.append("  ".join(cells).rstrip())
    print("\n".join(lines))


def html_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, title: str = "") -> str:
    """Return a table as HTML, for the `_repr_html_` of an object.

    Every text is escaped, and a line break in a cell is kept.
    """
    caption = f"<caption>{escape(visible(title))}</caption>" if title else ""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(map(_html_cell, row))}</tr>" for row in rows)
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def print_status(good: bool | None, text: str) -> None:
    """Print one line of a list of results at once: a mark, which a terminal colours, and a text.

    Args:
        good: the mark is `*` if true, `x` if false, `-` if None (neither).
        text: the line after the mark; control characters in it are escaped.
    """
    text = visible(text)
    mark, style = {True: ("*", "green"), False: ("x", "bold red"), None: ("-", "dim")}[good]
    if not sys.stdout.isatty():
        print(f"{mark} {text}", flush=True)
        return
    from rich.console import Console
    from rich.text import Text

    Console().print(Text.assemble((mark, style), f" {text}"))


@contextmanager
def visible_warnings() -> Iterator[None]:
    """Escape control characters in the warnings that are printed inside the block."""
    plain = warnings.formatwarning

    def escaped(*parts: Any, **named: Any) -> str:
        return visible(plain(*parts, **named))

    warnings.formatwarning = escaped
    try:
        yield
    finally:
        warnings.formatwarning = plain


def _print_rich(
    columns: Sequence[str], rows: list[list[str]], title: str, numeric: Collection[str]
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:.6g}" if isinstance(cell, float) else visible(str(cell))


def _html_cell(cell: Cell) -> str:
    text = escape(_text(cell)).replace("\n", "<br>")
    return f'<td style="text-align: left; vertical-align: top">{text}</td>'


def _check(columns: Sequence[str], rows: list[list[str]], numeric: Collection[str]) -> None:
    for row in rows:
        if len(row) != len(columns):
            rule = f"a row has one cell for each of the columns {', '.join(columns)}"
            raise ValueError(f"a row of {len(row)} cells: {rule}. Fill empty cells with None")
    if unknown := sorted(set(numeric) - set(columns)):
        rule = f"numeric columns are among {', '.join(columns)}"
        raise ValueError(f"numeric {unknown}: {rule}. Correct the name")
