"""A marked sound, and what its numbers must be."""

from __future__ import annotations

import math
from typing import NamedTuple


class Selection(NamedTuple):
    """A marked sound.

    Attributes:
        start: its beginning in seconds.
        end: its end in seconds.
        label: what it is.
        low: its lowest frequency in Hz, or None.
        high: its highest frequency in Hz, or None.
        score: how sure the finder is, 0 to 1, or None.
        extra: the other columns of its row, (name, value), which are written again.
    """

    start: float
    end: float
    label: str = ""
    low: float | None = None
    high: float | None = None
    score: float | None = None
    extra: tuple[tuple[str, str], ...] = ()


def fault(selection: Selection) -> tuple[str, str, str] | None:
    """Return the value, the rule and the remedy of the first impossible value."""
    start, end, _, low, high, score, _ = selection
    for value in (x for x in selection[:6] if isinstance(x, float | int)):
        if not math.isfinite(value):
            return str(value), "times, frequencies and scores are finite", "Mark the sound again"
    if start < 0:
        return f"start {start:g}", "times count from the beginning of the recording", "Correct it"
    if end <= start:
        text = f"start {start:g}, end {end:g}"
        return text, "a selection ends after it starts", "Mark a region, not a point"
    if (low or 0) < 0 or (high is not None and high <= (low or 0)):
        text = f"low {low}, high {high}"
        return text, "frequencies are positive, and the high one is above the low", "Correct them"
    if score is not None and not 0 <= score <= 1:
        return f"score {score:g}", "a score lies between 0 and 1", "Rename the column, or scale it"
    return None
