"""Bangla in figures and pages: a font that has it, shaping that joins letters, or Latin."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from functools import cache
from pathlib import Path

FAMILIES = (
    "Hind Siliguri",
    "Noto Sans Bengali",
    "Noto Serif Bengali",
    "Lohit Bengali",
    "Nirmala UI",
    "Kohinoor Bangla",
    "Bangla Sangam MN",
    "SolaimanLipi",
    "Kalpurush",
    "Vrinda",
    "Mukti Narrow",
)
"""Fonts with Bangla of a package, Debian, Windows, macOS and Bangladesh, in the order of choice."""

NOTE = (
    "Bangla labels are in Latin letters: install a font with "
    "pip install 'scionwood-bangla[fonts]', and matplotlib 3.11 or later, which shapes letters."
)
"""Printed and drawn where Bangla cannot be."""

STYLE = (
    "body{{font:16px/1.6 {families};max-width:64em;margin:2em auto;padding:0 1em}}"
    "table{{border-collapse:collapse;margin:1em 0}}th,td{{border-bottom:1px solid #ccc;"
    "padding:.25em .7em;text-align:left;vertical-align:top}}td.number{{text-align:right;"
    "font-variant-numeric:tabular-nums}}.right{{color:#00664b}}.wrong{{color:#a63c00}}"
    "pre{{font:inherit;white-space:pre-wrap;margin:0}}img{{max-width:100%}}"
)


@cache
def font_path() -> Path | None:
    """A font file that has Bangla: that of the package, or one of the system's; None without."""
    try:
        import fontpkg_hind_siliguri
    except ImportError:
        return _system_font()
    return Path(fontpkg_hind_siliguri.ROOT) / "files" / "HindSiliguri-Regular.ttf"


def can_draw() -> bool:
    """Whether figures can have Bangla: there is a font, and matplotlib joins the letters."""
    from matplotlib import ft2font

    return font_path() is not None and hasattr(ft2font, "__libraqm_version__")


def family() -> str | None:
    """The name of the font for matplotlib, which then knows it; None where Bangla cannot be drawn.

    Matplotlib takes each letter from the first font of a list that has it.
    """
    path = font_path()
    if path is None or not can_draw():
        return None
    from matplotlib import font_manager

    name = font_manager.FontProperties(fname=path).get_name()
    if name not in font_manager.fontManager.get_font_names():
        font_manager.fontManager.addfont(path)
    return name


def page(title: str, parts: Sequence[str]) -> str:
    """One HTML page without outside links, in which any browser shows Bangla.

    The font is in the page where there is one, and so is a list of the usual ones.

    Args:
        title: plain text.
        parts: HTML.
    """
    families = ",".join(["Bangla", *(f"'{name}'" for name in FAMILIES), "sans-serif"])
    style = _embedded() + STYLE.format(families=families)
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{style}</style>'
    body = f"<h1>{html.escape(title)}</h1>{''.join(parts)}"
    return f'<!doctype html><html lang="bn"><head>{head}</head><body>{body}</body></html>\n'


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table; cells that are numbers stand on the right.

    Args:
        header: plain texts.
        rows: of cells, plain texts.
    """
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    lines = ["".join(_cell(cell) for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    kind = ' class="number"' if text[:1].isdigit() or text[:2].lstrip("-+").isdigit() else ""
    return f"<td{kind}><pre>{html.escape(text)}</pre></td>"


@cache
def _embedded() -> str:
    path = font_path()
    if path is None or path.stat().st_size > 500_000:
        return ""  # the page names fonts of the reader's system
    data = base64.b64encode(path.read_bytes()).decode()
    return f"@font-face{{font-family:Bangla;src:url(data:font/ttf;base64,{data})}}"


def _system_font() -> Path | None:
    from matplotlib import font_manager

    known = {font.name: font.fname for font in reversed(font_manager.fontManager.ttflist)}
    return next((Path(known[name]) for name in FAMILIES if name in known), None)
