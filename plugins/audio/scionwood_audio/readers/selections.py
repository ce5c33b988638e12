"""Selections in a recording: tables of Raven, labels of Audacity, and CSV."""

from __future__ import annotations

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
    """

    start: float
    end: float
    label: str = ""
    low: float | None = None
    high: float | None = None
    score: float | None = None
