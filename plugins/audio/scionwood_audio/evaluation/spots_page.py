"""The page of `scionwood audio spot`: the score of each word over time, and its spots."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import (
    Figure,
    Number,
    Numbers,
    Page,
    Table,
    atomic_path,
    figure_style,
    render,
    writing,
)

if TYPE_CHECKING:
    from scionwood_audio.inference.spotting import Spot

DRAWN, LISTED = 8, 200
"""Words that are words, those of the best scores, and spots that are listed."""


def write_page(
    scores: Sequence[Spot],
    spots: Sequence[Spot],
    threshold: float,
    name: str,
    target: Path,
    *,
    overwrite: bool = False,
) -> None:
    """Write the page.

    Args:
        scores: the score of each word in each window.
        spots: those that were chosen.
        threshold: the least score of a spot; minus infinity means that all are ranked.
        name: of the recording.
        target: the HTML file.
        overwrite: replace it if it exists.

    Raises:
        WriteError: it cannot be written.
    """
    ranked = sorted(spots, key=lambda spot: -spot.score)[:LISTED]
    rows = [(f"{s.start:.2f}", f"{s.end:.2f}", s.word, f"{s.score:.3f}") for s in ranked]
    least = f"{threshold:.3f}" if threshold > float("-inf") else "none: all windows are ranked"
    page = Page(
        f"Words in {name}",
        [
            Numbers([Number("spots", str(len(spots))), Number("threshold", least)]),
            Figure("Score of each word over time", _curves(scores, threshold), lead=True),
            Table(("start (s)", "end (s)", "word", "score"), rows),
        ],
        notes=["A score says how well the window fits the text; it is no probability."],
        dated=False,
    )
    with writing(target), atomic_path(target, overwrite=overwrite) as part:
        part.write_text(render(page), "utf-8")


def _curves(scores: Sequence[Spot], threshold: float) -> bytes:
    import matplotlib.pyplot as plt

    best: dict[str, float] = {}
    for spot in scores:
        best[spot.word] = max(spot.score, best.get(spot.word, float("-inf")))
    words = sorted(best, key=lambda word: -best[word])[:DRAWN]
    buffer = io.BytesIO()
    with figure_style():
        figure, axes = plt.subplots(figsize=(9, 3.2))
        for word in words:
            line = [(s.start, s.score) for s in scores if s.word == word]
            axes.plot(*zip(*line, strict=True), marker=".", linewidth=1, label=word)
        if threshold > float("-inf"):
            axes.axhline(threshold, linestyle=":", linewidth=1, color="grey")
        axes.set_xlabel("beginning of the window (s)")
        axes.set_ylabel("score")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
        plt.close(figure)
    return buffer.getvalue()
