"""The vertical axis of a SEG-Y file, time or depth: its interval and its origin.

Source: SEG-Y revision 1, SEG, 2002: bytes 3217-3218, 3255-3256, 109-110, 117-118 and 215-216.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from scionwood import ReadError
from scionwood_seismic.readers.layout import Layout
from scionwood_seismic.readers.lengths import microseconds

FOOT = 0.3048  # m
THOUSANDTHS = 250  # an interval of a depth file from this value on is in thousandths of its unit
LONGEST = {"time": 1.0, "depth": 1000.0}  # s, m
POWERS = frozenset({1, 10, 100, 1000, 10000})

Vertical = Literal["time", "depth"]


def interval(
    path: Path, layout: Layout, intervals: np.ndarray, vertical: Vertical, dt: float | None
) -> tuple[float, tuple[str, ...]]:
    """Return the sample interval, s or m, and what was believed.

    The header of a depth file contains metres or feet, as the standard requires, or thousandths of
    them, as most programs write. The two ranges do not overlap for realistic surveys.

    Args:
        path: the file.
        layout: the contents of its binary header.
        intervals: the interval of each trace header, (trace,) unsigned 16 bit.
        vertical: whether the samples are in time or in depth.
        dt: the interval that the user gives, s or m; it overrules the headers.

    Raises:
        ReadError: no header gives the interval, or the trace headers give several; the given
            interval is not positive, or longer than a second.
    """
    if dt is None:
        value, warnings = microseconds(path, layout, intervals)
        if value <= 0:
            rule = "no header gives a usable sample interval (bytes 3217-3218, 117-118)"
            raise ReadError(str(path), rule, "Give it, in seconds: --dt 0.004, or dt=0.004")
        return _scaled(value, layout, vertical), warnings
    check_interval(path, dt, vertical)
    header_dt = _scaled(layout.interval, layout, vertical)
    if layout.interval <= 0 or abs(header_dt - dt) <= 1e-3 * dt:
        return dt, ()
    unit = "s" if vertical == "time" else "m"
    text = f"the binary header gives a sample interval of {header_dt:g} {unit}; the given {dt:g} "
    return dt, (text + f"{unit} was believed",)


def check_interval(path: Path, dt: float, vertical: Vertical = "time") -> None:
    """Refuse an interval in another unit than seconds, or metres.

    Raises:
        ReadError: it is not positive, or longer than `LONGEST`.
    """
    if not 0 < dt <= LONGEST[vertical]:
        unit = "seconds" if vertical == "time" else "metres"
        rule = f"a sample interval of {dt:g} {unit} is outside 0 to {LONGEST[vertical]:g}"
        raise ReadError(str(path), rule, f"Give it in {unit}, such as --dt 0.004 for 4 ms")


def _scaled(value: float, layout: Layout, vertical: Vertical) -> float:
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
