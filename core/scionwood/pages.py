"""Render reports as one HTML page that needs no other file, network or script."""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import TypeAlias, final

POLICY = "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'"
FAMILY = "Embedded"
"""The name of a page's own font in its style."""

_FONTS = "system-ui,-apple-system,'Segoe UI',sans-serif"
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NUMBER = re.compile(r"[-+\u2212±<>≤≥~≈]?\s*\d")
_EMPTY = frozenset({"", "-", "\u2013", "\u2014", "n/a", "nan", "inf", "-inf"})

STYLE = """
:root{color-scheme:light dark;--ink:#1a1a1a;--soft:#595959;--page:#fff;--line:#d5d8dd;
--head:#f2f4f7;--alert:#b00020;--alarm:#fdecef}
@media(prefers-color-scheme:dark){:root{--ink:#e6e6e6;--soft:#a8adb5;--page:#16181c;--line:#3a3f47;
--head:#23272e;--alert:#ff8a96;--alarm:#3a1d22}}
body{font:16px/1.5 FONTS;color:var(--ink);background:var(--page);max-width:72rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.2rem;margin-top:2rem}
h3{font-size:1.05rem}h1,h2,h3{line-height:1.25;break-after:avoid}
p{white-space:pre-line;overflow-wrap:anywhere}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:1rem 0 .3rem}
caption{text-align:left;font-weight:600;padding:.3rem 0}thead{display:table-header-group}
th,td{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top;white-space:pre-wrap}th{background:var(--head)}
.number{text-align:right;font-variant-numeric:tabular-nums}tr,figure{break-inside:avoid}
figure{margin:1.5rem 0}img{max-width:100%;height:auto;background:#fff}
figcaption{font-weight:600;overflow-wrap:anywhere}.note,footer{color:var(--soft)}
dl{display:grid;grid-template-columns:fit-content(40%) 1fr;gap:.2rem 1rem}dt{font-weight:600}
dd{margin:0;overflow-wrap:anywhere;white-space:pre-line}
.warning{border-left:4px solid var(--alert);padding:.4rem .8rem;background:var(--alarm)}
footer{margin-top:2rem;border-top:1px solid var(--line);font-size:.875rem}
@media(max-width:40rem){body{margin:1rem auto}dl{grid-template-columns:1fr}dd{margin-bottom:.5rem}}
@page{margin:12mm}@media print{:root{--ink:#000;--soft:#444;--page:#fff;--line:#bbb;--head:#eee;
--alert:#b00020;--alarm:#fdecef}body{margin:0;max-width:none;font-size:9pt}
.wide{overflow:visible}th,td{padding:.12rem .35rem}img{max-height:240mm}}
"""


@final
@dataclass(frozen=True)
class Table:
    """A table whose cells are any text; a column of numbers is aligned to the right.

    Attributes:
        head: the names of the columns.
        rows: the cells of each row, as many as there are columns.
        note: a sentence below the table.
        title: a caption above it.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    title: str = ""


@final
@dataclass(frozen=True)
class Figure:
    """An image with its caption.

    Attributes:
        caption: any text.
        data: the bytes of the image.
        media: its type, `image/png` or `image/svg+xml`.
        alternative: what a reader without the image should know; empty means the caption.
    """

    caption: str
    data: bytes
    media: str = "image/png"
    alternative: str = ""


@final
@dataclass(frozen=True)
class Section:
    """A part of the page under a heading of its own; sections may hold sections.

    Attributes:
        title: the heading.
        parts: what it shows, in order.
    """

    title: str
    parts: Sequence[Part]


Part: TypeAlias = str | Mapping[str, str] | Table | Figure | Section
"""Text is a paragraph, a mapping a list of terms and their explanations."""


@final
@dataclass(frozen=True)
class Page:
    """What a page shows, from top to bottom.

    Attributes:
        title: any text.
        parts: paragraphs, lists of terms, tables, figures and sections, in order.
        warning: a sentence that stands out above all parts; empty for none.
        notes: sentences for the footer.
        facts: terms and values for the footer, such as versions.
        language: the language of the text, for browsers: `en`, `bn`.
        fonts: names of fonts on the reader's system to prefer.
        font: a TrueType font to embed in the page; `None` embeds none.
        dated: whether the footer says when the page was written.
    """

    title: str
    parts: Sequence[Part]
    warning: str = ""
    notes: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    language: str = "en"
    fonts: Sequence[str] = ()
    font: bytes | None = None
    dated: bool = True


def render(page: Page) -> str:
    """Return the page as HTML with its images and font inside.

    The page loads nothing and runs no script: its content security policy forbids both. It follows
    the reader's choice of a light or a dark screen, and fits narrow screens and paper.

    Args:
        page: what to show; every text in it is escaped.

    Example:
        table = Table(("method", "SNR, dB"), [("LoRA", "9.1"), ("full", "9.3")])
        Path("report.html").write_text(render(Page("Denoising", [table])), encoding="utf-8")
    """
    title = readable(page.title)
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_style(page)}</style>"
    )
    warning = f'<p class="warning">{readable(page.warning)}</p>' if page.warning else ""
    parts = "".join(_part(part, 2) for part in page.parts)
    body = f"<h1>{title}</h1>{warning}{parts}{_footer(page)}"
    language = escape(page.language)
    return f'<!doctype html><html lang="{language}"><head>{head}</head><body>{body}</body></html>\n'


def readable(text: str) -> str:
    """Return any text, such as a file's name, as HTML that shows every character.

    Control characters, half characters and marks that reverse the reading direction become escapes.
    """
    return escape("".join(_visible(character) for character in text))


def _visible(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t"
    return ascii(character)[1:-1] if hidden or character in _BIDI else character


def _style(page: Page) -> str:
    names = ["'" + re.sub(r"[^\w -]", "", name) + "'" for name in page.fonts]
    if page.font is None:
        return STYLE.replace("FONTS", ",".join([*names, _FONTS]))
    inside = base64.b64encode(page.font).decode("ascii")
    face = f"@font-face{{font-family:{FAMILY};src:url(data:font/ttf;base64,{inside})}}"
    return face + STYLE.replace("FONTS", ",".join([FAMILY, *names, _FONTS]))


def _part(part: Part, level: int) -> str:
    if isinstance(part, str):
        return f"<p>{readable(part)}</p>"
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Figure):
        return _figure(part)
    if isinstance(part, Section):
        inside = "".join(_part(each, min(level + 1, 6)) for each in part.parts)
        return f"<section><h{level}>{readable(part.title)}</h{level}>{inside}</section>"
    return _terms(part)


def _table(table: Table) -> str:
    columns = range(len(table.head))
    numeric = [_numeric([row[index] for row in table.rows]) for index in columns]
    head = _row("th", table.head, numeric)
    rows = "".join(_row("td", row, numeric) for row in table.rows)
    title = f"<caption>{readable(table.title)}</caption>" if table.title else ""
    note = f'<p class="note">{readable(table.note)}</p>' if table.note else ""
    inside = f"{title}<thead>{head}</thead><tbody>{rows}</tbody>"
    return f'<div class="wide"><table>{inside}</table></div>{note}'


def _row(tag: str, cells: Sequence[str], numeric: Sequence[bool]) -> str:
    openings = (f'<{tag} class="number">' if right else f"<{tag}>" for right in numeric)
    pairs = zip(openings, cells, strict=True)
    inside = "".join(f"{opening}{readable(cell)}</{tag}>" for opening, cell in pairs)
    return f"<tr>{inside}</tr>"


def _numeric(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell.strip() not in _EMPTY]
    return bool(filled) and all(_NUMBER.match(cell) and len(cell) < 40 for cell in filled)


def _figure(figure: Figure) -> str:
    inside = base64.b64encode(figure.data).decode("ascii")
    text = readable(figure.alternative or figure.caption)
    image = f'<img alt="{text}" src="data:{escape(figure.media)};base64,{inside}">'
    return f"<figure><figcaption>{readable(figure.caption)}</figcaption>{image}</figure>"


def _terms(terms: Mapping[str, str]) -> str:
    pairs = (f"<dt>{readable(name)}</dt><dd>{readable(text)}</dd>" for name, text in terms.items())
    return f"<dl>{''.join(pairs)}</dl>"


def _footer(page: Page) -> str:
    parts = [f"<p>{readable(note)}</p>" for note in page.notes]
    parts += [_terms(page.facts)] if page.facts else []
    if page.dated:
        parts.append(f"<p>Written {datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')}</p>")
    return f"<footer>{''.join(parts)}</footer>" if parts else ""
