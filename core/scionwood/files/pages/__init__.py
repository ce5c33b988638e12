"""Render reports as one HTML page that needs no other file, network or script."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import TypeAlias, final

from scionwood.errors import visible
from scionwood.files.pages.style import STYLE

POLICY = "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'"
FAMILY = "Embedded"
"""The name of a page's own font in its style."""

_FONTS = "system-ui,-apple-system,'Segoe UI',sans-serif"
_NUMBER = re.compile(r"[-+\u2212±<>≤≥~≈]?\s*\d")
_EMPTY = frozenset({"", "-", "\u2013", "\u2014", "n/a", "nan", "inf", "-inf"})


@final
@dataclass(frozen=True)
class Table:
    """A table whose cells are any text; a column of numbers is aligned to the right.

    Attributes:
        head: the names of the columns.
        rows: the cells of each row, as many as there are columns.
        note: a sentence below the table.
        title: a caption above it.

    Example:
        >>> table = authoring.Table(("method", "SNR, dB"), [("LoRA", "9.1"), ("full", "9.3")])
        >>> table.rows[0]
        ('LoRA', '9.1')
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
        dark: the bytes of the same image for a dark screen, if there is one.
        lead: whether the image is made to fit the height of the screen.

    Example:
        >>> square = b"<svg xmlns='http://www.w3.org/2000/svg'><rect width='9' height='9'/></svg>"
        >>> figure = authoring.Figure("A square", square, media="image/svg+xml")
        >>> "data:image/svg+xml" in authoring.render(authoring.Page("One figure", [figure]))
        True
    """

    caption: str
    data: bytes
    media: str = "image/png"
    alternative: str = ""
    dark: bytes = b""
    lead: bool = False


@final
@dataclass(frozen=True)
class Number:
    """One result of a page in large letters.

    Attributes:
        label: what the value is, in a few words.
        value: the value with its unit, such as "14.1 dB".
        note: a remark in small letters below it.

    Example:
        >>> authoring.Number("mean SNR", "14.1 dB", "100 test gathers").value
        '14.1 dB'
    """

    label: str
    value: str
    note: str = ""


@final
@dataclass(frozen=True)
class Numbers:
    """The main results of a page, side by side in the order of `items`.

    Example:
        >>> numbers = authoring.Numbers([authoring.Number("mean SNR", "14.1 dB")])
        >>> "14.1 dB" in authoring.render(authoring.Page("Denoising", [numbers]))
        True
    """

    items: Sequence[Number]


@final
@dataclass(frozen=True)
class Section:
    """A part of the page under a heading of its own; sections may hold sections.

    Attributes:
        title: the heading.
        parts: what it shows, in order.

    Example:
        >>> section = authoring.Section("Method", ["LoRA of rank 8 on the attention."])
        >>> "LoRA of rank 8" in authoring.render(authoring.Page("Denoising", [section]))
        True
    """

    title: str
    parts: Sequence[Part]


Part: TypeAlias = str | Mapping[str, str] | Table | Figure | Numbers | Section
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

    Example:
        >>> page = authoring.Page("Denoising", ["One paragraph."], facts={"seed": "0"}, dated=False)
        >>> authoring.render(page).startswith("<!doctype html>")
        True
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
        >>> table = authoring.Table(("method", "SNR, dB"), [("LoRA", "9.1"), ("full", "9.3")])
        >>> html = authoring.render(authoring.Page("Denoising", [table]))
        >>> "LoRA" in html, "<script" in html
        (True, False)
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
    r"""Return any text, such as a file's name, as HTML that shows every character.

    Control characters, half characters and marks that reverse the reading direction become escapes.

    Example:
        >>> authoring.readable("a<b>\x07.sgy")
        'a&lt;b&gt;\\x07.sgy'
    """
    return escape(visible(text))


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
    if isinstance(part, Numbers):
        return _numbers(part)
    if isinstance(part, Section):
        inside = "".join(_part(child, min(level + 1, 6)) for child in part.parts)
        return f"<section><h{level}>{readable(part.title)}</h{level}>{inside}</section>"
    return _terms(part)


def _table(table: Table) -> str:
    columns = range(len(table.head))
    kinds = [_kind([row[index] for row in table.rows]) for index in columns]
    head = _row("th", table.head, kinds)
    rows = "".join(_row("td", row, kinds) for row in table.rows)
    title = f"<caption>{readable(table.title)}</caption>" if table.title else ""
    note = f'<p class="note">{readable(table.note)}</p>' if table.note else ""
    inside = f"{title}<thead>{head}</thead><tbody>{rows}</tbody>"
    return f'<div class="wide"><table>{inside}</table></div>{note}'


def _row(tag: str, cells: Sequence[str], kinds: Sequence[str]) -> str:
    openings = (f'<{tag} class="{kind}">' if kind else f"<{tag}>" for kind in kinds)
    pairs = zip(openings, cells, strict=True)
    inside = "".join(f"{opening}{readable(cell)}</{tag}>" for opening, cell in pairs)
    return f"<tr>{inside}</tr>"


def _kind(cells: Sequence[str]) -> str:
    """Return the class of a column: numbers, sentences, or neither."""
    filled = [cell for cell in cells if cell.strip() not in _EMPTY]
    if filled and all(_NUMBER.match(cell) and len(cell) < 40 for cell in filled):
        return "number"
    return "text" if any(" " in cell and len(cell) > 60 for cell in filled) else ""


def _figure(figure: Figure) -> str:
    text = readable(figure.alternative or figure.caption)
    image = f'<img alt="{text}" src="{_data(figure.media, figure.data)}">'
    if figure.dark:
        source = f'srcset="{_data(figure.media, figure.dark)}"'
        dark = f'<source media="(prefers-color-scheme:dark)" {source}>'
        image = f"<picture>{dark}{image}</picture>"
    opening = '<figure class="lead">' if figure.lead else "<figure>"
    return f"{opening}<figcaption>{readable(figure.caption)}</figcaption>{image}</figure>"


def _data(media: str, content: bytes) -> str:
    return f"data:{escape(media)};base64,{base64.b64encode(content).decode('ascii')}"


def _numbers(numbers: Numbers) -> str:
    cells = (
        f"<div><dt>{readable(number.label)}</dt><dd>{_breakable(number.value)}</dd>"
        f'<dd class="note">{readable(number.note)}</dd></div>'
        for number in numbers.items
    )
    return f'<dl class="numbers">{"".join(cells)}</dl>'


def _breakable(text: str) -> str:
    return re.sub("([_/])", r"\1<wbr>", readable(text))


def _terms(terms: Mapping[str, str]) -> str:
    pairs = (f"<dt>{readable(name)}</dt><dd>{readable(text)}</dd>" for name, text in terms.items())
    return f"<dl>{''.join(pairs)}</dl>"


def _footer(page: Page) -> str:
    parts = [f"<p>{readable(note)}</p>" for note in page.notes]
    parts += [_terms(page.facts)] if page.facts else []
    if page.dated:
        parts.append(f"<p>Written {datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')}</p>")
    return f"<footer>{''.join(parts)}</footer>" if parts else ""
