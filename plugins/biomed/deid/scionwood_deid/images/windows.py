"""Names of the windows in which a CT image is displayed; this module imports nothing heavy."""

from __future__ import annotations

from typing import Literal

Window = Literal["file", "range", "soft_tissue", "brain", "lung", "bone"]
"""`file`: the window or lookup table that the file states; `range`: from the smallest to the
largest value; the others: fixed windows in HU, see `WINDOWS`."""

WINDOWS: dict[str, tuple[float, float]] = {
    "soft_tissue": (40, 400),
    "brain": (40, 80),
    "lung": (-600, 1500),
    "bone": (400, 1800),
}
"""Centre and width in HU, as radiology commonly uses them for CT."""
