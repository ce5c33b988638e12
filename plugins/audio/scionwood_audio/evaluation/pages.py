"""The pages of `scionwood audio spot` and `find`: scores over time, and calls with a player."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import numpy as np

from scionwood import WriteError
from scionwood.authoring import (
    Figure,
    Number,
    Numbers,
    Page,
    Section,
    Table,
    atomic_path,
    figure_style,
    render,
    writing,
)
from scionwood_audio.data.parts import read_spans
from scionwood_audio.inference.finding import COLUMNS, HELD_OUT, Finding, level_rows
from scionwood_audio.inference.sounds import channel_of
from scionwood_audio.model.mel import RATE
from scionwood_audio.readers.selections import Selection
from scionwood_audio.verbs.options import FindOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

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
    """Write the page."""
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


CALLS = 40
"""Calls on a page; each takes about 30 kB."""

MARGIN = 0.5
"""Seconds of the recording beside a call."""

LONGEST = 8.0
"""Seconds of a call that are drawn and played."""


def write_found_page(
    recording: str | Path,
    finding: Finding,
    options: FindOptions,
    path: Path,
    *,
    force: bool = False,
) -> None:
    """Write a page with the found calls, in one file that loads nothing.

    Of more than 40 calls it shows 20 of the surest and 20 of the least sure ones, whose order of
    scores tells where the threshold should be.
    """
    ranked = sorted(finding.selections, key=lambda call: -(call.score or 0))
    selections = ranked if len(ranked) <= CALLS else ranked[: CALLS // 2] + ranked[-CALLS // 2 :]
    spans = [(c.start - MARGIN, min(c.end, c.start + LONGEST) + MARGIN) for c in selections]
    clips = read_spans(recording, spans, channel_of(options.channel), options.expand)
    mark = f"player-{token_hex(8)}"  # a text that no name of a file can hold
    calls: list[Numbers | Table | Section] = []
    for number, (call, clip) in enumerate(zip(selections, clips, strict=True)):
        title = f"{call.start:.2f} to {call.end:.2f} s, score {call.score or 0:.2f}"
        calls.append(Section(title, [_figure(call, clip, options), f"{mark}-{number}."]))
    numbers = Numbers(
        [
            Number("calls", str(len(finding.selections)), Path(recording).name),
            Number("used", finding.chosen.level, finding.verdict),
        ]
    )
    note = "A score is 0.5 at the threshold, 0.88 for a typical example where it was marked."
    parts: list[Numbers | Table | Section] = [
        numbers,
        Table(COLUMNS, level_rows(finding), note, HELD_OUT),
        *calls,
    ]
    html = render(Page(f"Calls found in {Path(recording).name}", parts))
    # The page may play the sounds that it holds, and nothing else.
    html = html.replace("img-src data:", "img-src data:; media-src data:", 1)
    for number, clip in enumerate(clips):
        line = f"<p>{mark}-{number}.</p>"
        if line not in html:
            raise WriteError(str(path), "the page has no place for a player", "Report this")
        html = html.replace(line, _player(clip))
    with writing(path), atomic_path(path, overwrite=force) as part:
        part.write_text(html, "utf-8")


def _figure(call: Selection, clip: np.ndarray, options: FindOptions) -> Figure:
    from PIL import Image

    caption = call.label or "call"
    drawing = _draw(call, clip, options.expand)
    file = io.BytesIO()
    drawing.savefig(file, format="png", dpi=80)
    small = io.BytesIO()  # a spectrogram of 40 colours looks the same, and takes a fifth
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(40).save(small, "PNG", optimize=True)
    alternative = f"Spectrogram of {call.start:.2f} to {call.end:.2f} s, the call in a box"
    return Figure(caption, small.getvalue(), alternative=alternative)


@figure_style()
def _draw(call: Selection, clip: np.ndarray, expand: float) -> Drawing:
    from matplotlib.figure import Figure as Drawing
    from matplotlib.patches import Rectangle

    first = max(call.start - MARGIN, 0.0)
    last, top = first + len(clip) / RATE / expand, RATE / 2 * expand / 1000
    columns = np.lib.stride_tricks.sliding_window_view(np.pad(clip, (0, 512)), 512)[::128]
    power = np.abs(np.fft.rfft(columns * np.hanning(512))) ** 2
    level = 10 * np.log10(power.T + 1e-12)
    drawing = Drawing(figsize=(5.4, 2.0), layout="constrained")
    axes: Any = drawing.subplots()
    loudest = float(level.max())
    extent = (first, last, 0, top)
    axes.imshow(
        level, origin="lower", aspect="auto", extent=extent, vmin=loudest - 70, cmap="magma"
    )
    low, high = (call.low or 0) / 1000, (call.high or 1000 * top) / 1000
    size = min(call.end, last) - call.start, min(high, top) - low
    axes.add_patch(Rectangle((call.start, low), *size, fill=False, edgecolor="w", linewidth=1.5))
    axes.set(xlabel="time, s", ylabel="frequency, kHz")
    return drawing


def _player(clip: np.ndarray) -> str:
    import soundfile

    file = io.BytesIO()
    loud = clip / max(float(np.abs(clip).max(initial=0.0)), 1e-6) * 0.7
    soundfile.write(file, loud, RATE, format="MP3")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<p><audio controls preload="none" src="data:audio/mpeg;base64,{data}"></audio></p>'
