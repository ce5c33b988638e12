"""Draw the figure of an evaluation: register match by method and level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from scionwood.authoring import figure_style
from scionwood_bangla.evaluation.fonts import NOTE, can_draw, family
from scionwood_bangla.lexicon import LEVELS

COLOURS = {"tui": "#E69F00", "tumi": "#56B4E9", "apni": "#009E73"}
"""Colours that colour-blind readers can distinguish (Okabe and Ito)."""

PRONOUNS = {"tui": "তুই", "tumi": "তুমি", "apni": "আপনি"}


@figure_style()
def register_match(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw register match by method and expected level, with 95 % intervals, one axis per suite.

    Args:
        rows: the rows of an evaluation, with `suite`, `method`, `decoding`, `group`, `measure`,
            `value`, `low` and `high`. Only the measure `register_match` is drawn.
    """
    match_rows = [
        row for row in rows if row["measure"] == "register_match" and row["group"] in LEVELS
    ]
    suites = list(dict.fromkeys(row["suite"] for row in match_rows))
    fonts = [name for name in (family(), "DejaVu Sans") if name]
    with rc_context({"font.family": fonts}):
        figure = Figure(figsize=(6 * len(suites), 4.4), layout="constrained")
        for axes, suite in zip(
            figure.subplots(1, len(suites), squeeze=False)[0], suites, strict=True
        ):
            _bars(axes, [row for row in match_rows if row["suite"] == suite])
            axes.set_title(suite.replace("_", " "))
        if not can_draw():
            figure.supxlabel(NOTE, fontsize=6)
    return figure


def _bars(axes: Any, rows: list[Mapping[str, Any]]) -> None:
    names = list(dict.fromkeys((row["method"], row["decoding"]) for row in rows))
    width = 0.8 / len(LEVELS)
    for at, level in enumerate(LEVELS):
        mine = {(row["method"], row["decoding"]): row for row in rows if row["group"] == level}
        values = np.array([mine[name]["value"] if name in mine else np.nan for name in names])
        ends = [
            [abs(mine[name][end] - mine[name]["value"]) if name in mine else 0 for name in names]
            for end in ("low", "high")
        ]
        places = np.arange(len(names)) + (at - 1) * width
        label = f"{PRONOUNS[level]} ({level})" if can_draw() else level
        axes.bar(places, values, width, color=COLOURS[level], label=label)
        axes.errorbar(places, values, ends, fmt="none", ecolor="0.25", elinewidth=0.8, capsize=1.5)
    ticks = [f"{method.replace('_', ' ')}\n{decoding}".strip() for method, decoding in names]
    axes.set_xticks(range(len(names)), ticks, rotation=45, ha="right", fontsize=7)
    axes.set(ylim=(0, 1.05), ylabel="register match (share of answers)")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8)
