"""The page of `scionwood audio spot`: the score of each word over time, and its spots."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import Figure, Page, Table, atomic_path, figure_style, render, writing

if TYPE_CHECKING:
    from scionwood_audio.inference.spotting import Spot

CLIPS_DRAWN, LISTED = 8, 200
"""Words that are drawn, those of the best scores, and spots that are listed."""


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
    note = "A score says how well the window fits the text; it is no probability."
    curves = Figure("Score of each word over time", _curves(scores, threshold), note, lead=True)
    listed = Table(("start (s)", "end (s)", "word", "score"), rows)
    page = Page(f"Words in {name}", [curves, listed], dated=False)
    with writing(target), atomic_path(target, overwrite=overwrite) as part:
        part.write_text(render(page), "utf-8")


def _curves(scores: Sequence[Spot], threshold: float) -> bytes:
    from matplotlib.figure import Figure as Drawing

    best = {spot.word: spot.score for spot in sorted(scores, key=lambda spot: spot.score)}
    with figure_style():
        figure = Drawing(figsize=(9, 3.2))
        axes = figure.subplots()
        for word in sorted(best, key=lambda word: -best[word])[:CLIPS_DRAWN]:
            line = [(s.start, s.score) for s in scores if s.word == word]
            axes.plot(*zip(*line, strict=True), marker=".", linewidth=1, label=word)
        if threshold > float("-inf"):
            axes.axhline(threshold, linestyle=":", linewidth=1, color="grey")
        axes.set(xlabel="beginning of the window (s)", ylabel="score")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    return buffer.getvalue()
