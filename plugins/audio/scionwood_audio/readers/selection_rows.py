"""Selections as rows of a table of Raven, of CSV, and of labels of Audacity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from scionwood_audio.readers.marked_sound import Selection

RAVEN = ("Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)")
CSV = ("start", "end", "low", "high")
FREQUENCIES = "\\"
"""The first field of Audacity's second line, which holds the frequencies."""


def label_rows(selection: Selection) -> Iterator[list[str]]:
    """Yield the line of a label, and that of its frequencies if it has any."""
    yield [_text(selection.start), _text(selection.end), selection.label]
    if selection.low is not None or selection.high is not None:
        # Audacity writes -1 for a frequency that is not set.
        bounds = (-1.0 if x is None else x for x in (selection.low, selection.high))
        yield [FREQUENCIES, *map(_text, bounds)]


def table_rows(
    selections: Sequence[Selection], names: Sequence[str], *, numbered: bool
) -> list[list[str]]:
    """Return the header and the rows; frequencies and scores only if a selection has one."""
    start, end, low, high, label, score = names
    columns: dict[str, Callable[[Selection], str]] = {}
    columns[start], columns[end] = lambda s: _text(s.start), lambda s: _text(s.end)
    bands = {low: lambda s: _text(s.low), high: lambda s: _text(s.high)}
    has_band = any(s.low is not None or s.high is not None for s in selections)
    if numbered:  # Raven's order: the band, then what its user added
        columns |= bands if has_band else {}
    columns[label] = lambda s: s.label
    if not numbered:
        columns |= bands if has_band else {}
    if any(s.score is not None for s in selections):
        columns[score] = lambda s: _text(s.score)
    extra = dict.fromkeys(name for s in selections for name, _ in s.extra)
    first = {"Selection": "", "View": "Spectrogram 1", "Channel": "1"} if numbered else {}
    others = [name for name in extra if name not in first and name not in columns]
    rows = [[*first, *columns, *others]]
    for number, selection in enumerate(selections, start=1):
        cells = {**first, "Selection": str(number), **dict(selection.extra)}
        start_of_row = [cells[name] for name in first]
        values = [read(selection) for read in columns.values()]
        rows.append([*start_of_row, *values, *(cells.get(name, "") for name in others)])
    return rows


def _text(value: float | None) -> str:
    # The shortest digits that give the same number again, without an exponent.
    return "" if value is None else np.format_float_positional(float(value), trim="-")
