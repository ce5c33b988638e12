"""Fonts for Bangla in figures and pages."""

from __future__ import annotations

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
"""Fonts with Bangla letters, in order of preference: of a package, Debian, Windows, macOS, and
fonts common in Bangladesh."""

NOTE = (
    "Bangla labels are in Latin letters: install a font with "
    "pip install fontpkg-hind-siliguri 'matplotlib>=3.11', which shapes letters."
)
"""The note in a figure that cannot show Bangla."""


@cache
def font_path() -> Path | None:
    """Return a font file with Bangla letters: of the font package, of the system, or `None`."""
    try:
        import fontpkg_hind_siliguri
    except ImportError:
        return _system_font()
    return Path(fontpkg_hind_siliguri.ROOT) / "files" / "HindSiliguri-Regular.ttf"


def can_draw() -> bool:
    """Return whether figures can show Bangla: there is a font, and matplotlib joins letters."""
    from matplotlib import ft2font

    return font_path() is not None and hasattr(ft2font, "__libraqm_version__")


def family() -> str | None:
    """Register the font with matplotlib, and return its name, or `None` if Bangla cannot be drawn.

    Matplotlib takes each letter from the first font in its list that has the letter.
    """
    path = font_path()
    if path is None or not can_draw():
        return None
    from matplotlib import font_manager

    name = font_manager.FontProperties(fname=path).get_name()
    if name not in font_manager.fontManager.get_font_names():
        font_manager.fontManager.addfont(path)
    return name


@cache
def page_font() -> bytes | None:
    """Return the font to embed in a page, or `None` if there is none or it is above 500 kB."""
    path = font_path()
    if path is None or path.stat().st_size > 500_000:
        return None  # the page names fonts of the reader's system
    return path.read_bytes()


def _system_font() -> Path | None:
    from matplotlib import font_manager

    font_files = {font.name: font.fname for font in reversed(font_manager.fontManager.ttflist)}
    return next((Path(font_files[name]) for name in FAMILIES if name in font_files), None)
