"""The vertical axis of a SEG-Y file: time or depth, its step and its origin.

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
THOUSANDTHS = 250  # from here on an interval of a depth file is in thousandths of its unit
POWERS = frozenset({1, 10, 100, 1000, 10000})

Vertical = Literal["time", "depth"]


def interval(path: Path, file: int, layout: Layout, vertical: Vertical) -> float:
    """The sample interval, s or m.

    Depth files hold metres or feet as the standard asks, or thousandths of them as most programs
    write; no step of a survey is as fine or as coarse as to be mistaken.

    Args:
        path: the file's name, for errors.
        file: its descriptor.
        layout: what its binary header says.
        vertical: what the samples follow.

    Raises:
        ReadError: neither header gives it.
    """
    found = layout.interval
    if found <= 0:
        found = float(header_words(path, file, layout, {"dt": (117, "u2")})["dt"][0])
    if found <= 0:
        rule = "neither header gives a sample interval (bytes 3217-3218, 117-118)"
        raise ReadError(str(path), rule, "Set it, in microseconds")
    if vertical == "time":
        return found / 1e6
    return (found if found < THOUSANDTHS else found / 1e3) * _length(layout)


def origin(header: np.ndarray, layout: Layout, vertical: Vertical) -> float:
    """The first sample's time or depth, s or m: the recording delay, with its scalar.

    Args:
        header: a trace header, 240 uint8.
        layout: what the binary header says.
        vertical: what the samples follow.
    """
    delay, power = (_short(header, byte, layout.order) for byte in (109, 215))
    # Revision 0 leaves bytes 181-240 to the user, so what is there need not be a power of ten.
    if layout.revision >= 1 and abs(power) in POWERS:
        delay = delay * power if power > 0 else delay / -power
    return delay / 1e3 if vertical == "time" else delay * _length(layout)


def _length(layout: Layout) -> float:
    return FOOT if layout.feet else 1.0


def _short(header: np.ndarray, byte: int, order: str) -> float:
    return float(header[byte - 1 : byte + 1].view(order + "i2")[0])
