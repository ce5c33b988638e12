"""Render reports as one HTML page that needs no other file, network or script."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias, final

from scionwood.errors import visible

if TYPE_CHECKING:
    from jinja2 import Template

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
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
        data: the bytes of the image: PNG, GIF, JPEG or SVG.
        alternative: what a reader without the image should know; empty means the caption.
        dark: the bytes of the same image for a dark screen, if there is one.
        lead: whether the image is made to fit the height of the screen.

    Example:
        >>> square = b"<svg xmlns='http://www.w3.org/2000/svg'><rect width='9' height='9'/></svg>"
        >>> figure = authoring.Figure("A square", square)
        >>> "data:image/svg+xml" in authoring.render(authoring.Page("One figure", [figure]))
        True
    """

    caption: str
    data: bytes
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
    dated: bool = True


def render(page: Page) -> str:
    """Return the page as HTML with its images inside.

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
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC") if page.dated else ""
    return _template().render(page=page, policy=POLICY, written=written)


def readable(text: str) -> str:
    r"""Return any text, such as a file's name, as HTML that shows every character.

    Control characters, half characters and marks that reverse the reading direction become escapes.

    Example:
        >>> authoring.readable("a<b>\x07.sgy")
        'a&lt;b&gt;\\x07.sgy'
    """
    return escape(visible(text))


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    text = (files(__package__) / "page.html").read_text("utf-8")
    environment = Environment(autoescape=True, finalize=_shown, undefined=StrictUndefined)
    environment.keep_trailing_newline = True
    environment.filters |= {"columns": _columns, "shown": _shown, "uri": _uri}
    environment.filters["kind"] = lambda part: type(part).__name__
    return environment.from_string(text, {"zip": zip})


def _shown(value: Any) -> Any:
    """Escape what an expression of the template prints, except HTML of the template's own."""
    from markupsafe import Markup

    return value if isinstance(value, Markup) else Markup(readable(str(value)))


def _columns(table: Table) -> list[str]:
    """Return the class of each column: numbers, sentences, or neither."""
    return [_kind(cells) for _, *cells in zip(table.head, *table.rows, strict=True)]


def _kind(cells: Sequence[str]) -> str:
    filled = [cell for cell in cells if cell.strip() not in _EMPTY]
    if filled and all(_NUMBER.match(cell) and len(cell) < 40 for cell in filled):
        return "number"
    return "text" if any(" " in cell and len(cell) > 60 for cell in filled) else ""


def _uri(image: bytes) -> str:
    starts = {b"\x89PNG": "png", b"GIF8": "gif", b"\xff\xd8": "jpeg"}
    kind = next((kind for start, kind in starts.items() if image.startswith(start)), "svg+xml")
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"
