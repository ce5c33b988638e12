"""One style for figures: colours that colour-blind readers can tell apart, and quiet axes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Six of the colours of M. Okabe and K. Ito, Color universal design (2008)."""

SETTINGS: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "grid.alpha": 0.3,
    "image.cmap": "viridis",
    "legend.frameon": False,
    "savefig.dpi": 110,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw figures of matplotlib in the style of the reports and of the documentation.

    The settings of matplotlib are as before after the block.

    Example:
        >>> import matplotlib as mpl
        >>> import scionwood
        >>> with authoring.figure_style():
        ...     mpl.rcParams["axes.prop_cycle"].by_key()["color"][0]
        '#0072B2'
    """
    import matplotlib as mpl
    from matplotlib.rcsetup import cycler

    with mpl.rc_context(SETTINGS | {"axes.prop_cycle": cycler(color=COLOURS)}):
        yield
