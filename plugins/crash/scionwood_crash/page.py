"""The report of a prediction: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import final

STYLE = """
:root{color-scheme:light}
body{font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:68rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse}th,td{padding:.2rem .7rem;border-bottom:1px solid #ddd;
text-align:right;font-variant-numeric:tabular-nums}th{background:#f2f4f7}
td:first-child,th:first-child{text-align:left}tr,figure{break-inside:avoid}
.wide{overflow-x:auto}figure{margin:1.5rem 0}img{max-width:100%;height:auto}
figcaption{font-weight:600}.note{color:#555}
.warning{border-left:4px solid #b00020;padding:.4rem .8rem;background:#fdecef}
footer{margin-top:2rem;border-top:1px solid #ddd;color:#555;font-size:.85rem}
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@final
@dataclass(frozen=True)
class Table:
    """Numbers with a head, any text in the cells.

    Attributes:
        head: of the columns.
        rows: as many cells each.
        note: below it.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@final
@dataclass(frozen=True)
class Page:
    """What a page shows, from top to bottom.

    Attributes:
        title: any text.
        warning: stands out above all else, where there is one.
        tables: by their titles.
        pictures: by their captions: the media type and the bytes.
        notes: how to read what is above.
    """

    title: str
    warning: str
    tables: Mapping[str, Table]
    pictures: Mapping[str, tuple[str, bytes]]
    notes: Sequence[str] = field(default_factory=tuple)


def render(page: Page) -> str:
    """The page as HTML, its pictures inside; it loads nothing and runs no script."""
    title = escape(page.title)
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style>"
    )
    numbers = [f"<h2>{escape(name)}</h2>{_table(each)}" for name, each in page.tables.items()]
    pictures = [_figure(caption, *each) for caption, each in page.pictures.items()]
    notes = "".join(f"<p>{escape(note)}</p>" for note in page.notes)
    warning = f'<p class="warning">{escape(page.warning)}</p>' if page.warning else ""
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    body = [f"<h1>{title}</h1>{warning}", *numbers[:1], *pictures, *numbers[1:]]
    foot = f"<footer>{notes}<p>Written {written}</p></footer>"
    content = f"<head>{head}</head><body>{''.join(body)}{foot}</body>"
    return f'<!doctype html><html lang="en">{content}</html>\n'


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows
    )
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>'
        f"</table></div>{note}"
    )


def _figure(caption: str, media: str, data: bytes) -> str:
    inside = base64.b64encode(data).decode("ascii")
    text = escape(caption)
    image = f'<img alt="{text}" src="data:{media};base64,{inside}">'
    return f"<figure><figcaption>{text}</figcaption>{image}</figure>"
