"""Draw the figures of every gallery page in the style of the reports."""

from __future__ import annotations

from scionwood.files.styles import COLOURS, SETTINGS


def apply(gallery: dict[str, object], page: str) -> None:
    """Set the style before a page runs; sphinx-gallery calls this after its own reset."""
    import matplotlib as mpl
    from matplotlib.rcsetup import cycler

    mpl.rcParams.update(SETTINGS | {"axes.prop_cycle": cycler(color=COLOURS)})
