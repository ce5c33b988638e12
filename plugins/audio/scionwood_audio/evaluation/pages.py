"""The page of `scionwood audio find` and `spot`: what was found, with spectrograms and a player."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

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
from scionwood_audio.inference.sounds import Channel
from scionwood_audio.model.mel import RATE
from scionwood_audio.readers.selections import Selection

CALLS = 40
"""Calls on a page; each takes about 30 kB."""

MARGIN = 0.5
"""Seconds of the recording beside a call."""

LONGEST = 8.0
"""Seconds of a call that are drawn and played."""


def write_page(
    recording: str | Path,
    selections: Sequence[Selection],
    path: Path,
    *,
    channel: Channel = "mean",
    expand: float = 1.0,
    finding: Finding | None = None,
    force: bool = False,
) -> None:
    """Write a page with found calls or words, in one file that loads nothing.

    Of more than 40 calls it shows 20 of the surest and 20 of the least sure ones, whose order of
    scores tells where the threshold should be.
    """
    count, name = len(selections), Path(recording).name
    selections = sorted(selections, key=lambda call: -(call.score or 0))
    if count > CALLS:
        selections = [*selections[: CALLS // 2], *selections[-CALLS // 2 :]]
    spans = [(c.start - MARGIN, min(c.end, c.start + LONGEST) + MARGIN) for c in selections]
    clips = read_spans(recording, spans, channel, expand)
    mark = f"player-{token_hex(8)}"  # a text that no name of a file can hold
    parts: list[Numbers | Table | Section] = [Numbers([Number("found", str(count), name)])]
    if finding is not None:
        note = "A score is 0.5 at the threshold, 0.88 for a typical example where it was marked."
        used = Number("used", finding.chosen.level, finding.verdict)
        parts += [Numbers([used]), Table(COLUMNS, level_rows(finding), note, HELD_OUT)]
    for number, (call, clip) in enumerate(zip(selections, clips, strict=True)):
        title = f"{call.start:.2f} to {call.end:.2f} s, score {call.score or 0:.2f}"
        parts.append(Section(title, [_figure(call, clip, expand), f"{mark}-{number}."]))
    html = render(Page(f"Found in {name}", parts))
    # The page may play the sounds that it holds, and nothing else.
    html = html.replace("img-src data:", "img-src data:; media-src data:", 1)
    for number, clip in enumerate(clips):
        line = f"<p>{mark}-{number}.</p>"
        if line not in html:
            raise WriteError(str(path), "the page has no place for a player", "Report this")
        html = html.replace(line, _player(clip))
    with writing(path), atomic_path(path, overwrite=force) as part:
        part.write_text(html, "utf-8")


@figure_style()
def _figure(call: Selection, clip: np.ndarray, expand: float) -> Figure:
    """Return the spectrogram of a call with its box."""
    from matplotlib.figure import Figure as Drawing
    from matplotlib.patches import Rectangle
    from PIL import Image

    first, top = max(call.start - MARGIN, 0.0), RATE / 2 * expand / 1000
    last = first + len(clip) / RATE / expand
    columns = np.lib.stride_tricks.sliding_window_view(np.pad(clip, (0, 512)), 512)[::128]
    level = 10 * np.log10(np.abs(np.fft.rfft(columns * np.hanning(512))).T ** 2 + 1e-12)
    drawing = Drawing(figsize=(5.4, 2.0), layout="constrained")
    axes: Any = drawing.subplots()
    image_options: dict[str, Any] = {"origin": "lower", "aspect": "auto", "cmap": "magma"}
    axes.imshow(level, extent=(first, last, 0, top), vmin=float(level.max()) - 70, **image_options)
    low, high = (call.low or 0) / 1000, (call.high or 1000 * top) / 1000
    size = min(call.end, last) - call.start, min(high, top) - low
    axes.add_patch(Rectangle((call.start, low), *size, fill=False, edgecolor="w", linewidth=1.5))
    axes.set(xlabel="time, s", ylabel="frequency, kHz")
    file, small = io.BytesIO(), io.BytesIO()
    drawing.savefig(file, format="png", dpi=80)
    with Image.open(file) as picture:  # 40 colours look the same, and take a fifth
        picture.convert("RGB").quantize(40).save(small, "PNG", optimize=True)
    alternative = f"Spectrogram of {call.start:.2f} to {call.end:.2f} s, the call in a box"
    return Figure(call.label or "call", small.getvalue(), alternative=alternative)


def _player(clip: np.ndarray) -> str:
    import soundfile

    file = io.BytesIO()
    loud = clip / max(float(np.abs(clip).max(initial=0.0)), 1e-6) * 0.7
    soundfile.write(file, loud, RATE, format="MP3")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<p><audio controls preload="none" src="data:audio/mpeg;base64,{data}"></audio></p>'
