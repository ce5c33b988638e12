"""The vertical axis of a SEG-Y file, time or depth: its interval and its origin.

Source: SEG-Y revision 1, SEG, 2002: bytes 3217-3218, 3255-3256, 109-110, 117-118 and 215-216.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from scionwood import ReadError
from scionwood_seismic.readers.index import header_words
from scionwood_seismic.readers.layout import Layout

FOOT = 0.3048  # m
THOUSANDTHS = 250  # an interval of a depth file from this value on is in thousandths of its unit
POWERS = frozenset({1, 10, 100, 1000, 10000})

Vertical = Literal["time", "depth"]


def interval(path: Path, file: int, layout: Layout, vertical: Vertical) -> float:
    """Return the sample interval, s or m.

    The header of a depth file contains metres or feet, as the standard requires, or thousandths of
    them, as most programs write. The two ranges do not overlap for realistic surveys.

    Args:
        path: the name of the file, for errors.
        file: its descriptor.
        layout: the contents of its binary header.
        vertical: whether the samples are in time or in depth.

    Raises:
        ReadError: neither the binary header nor the first trace header gives the interval.
    """
    value = layout.interval
    if value <= 0:
        value = float(header_words(path, file, layout, {"dt": (117, "u2")})["dt"][0])
    if value <= 0:
        rule = "neither header gives a sample interval (bytes 3217-3218, 117-118)"
        raise ReadError(str(path), rule, "Set it, in microseconds")
    if vertical == "time":
        return value / 1e6
    return (value if value < THOUSANDTHS else value / 1e3) * _length(layout)


def origin(header: np.ndarray, layout: Layout, vertical: Vertical) -> float:
    """Return the time or depth of the first sample, s or m: the recording delay times its scalar.

    Args:
        header: a trace header, 240 uint8.
        layout: the contents of the binary header.
        vertical: whether the samples are in time or in depth.
    """
    delay, power = (_short(header, byte, layout.order) for byte in (109, 215))
    # Revision 0 leaves bytes 181-240 to the user, so the value may not be a power of ten.
    if layout.revision >= 1 and abs(power) in POWERS:
        delay = delay * power if power > 0 else delay / -power
    return delay / 1e3 if vertical == "time" else delay * _length(layout)


def _length(layout: Layout) -> float:
    return FOOT if layout.feet else 1.0


def _short(header: np.ndarray, byte: int, order: str) -> float:
    return float(header[byte - 1 : byte + 1].view(order + "i2")[0])
