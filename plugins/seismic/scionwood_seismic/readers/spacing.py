"""The distance between the traces of a SEG-Y gather, from the coordinates in their headers."""

from __future__ import annotations

import numpy as np

from scionwood_seismic.readers.layout import Layout

COORDINATES = ((81, 85), (181, 185), (73, 77))  # x, y of receiver, CDP and source, first bytes
OFFSET, SCALAR, UNITS = 37, 71, 89
ANGLES = (2, 3, 4)  # seconds of arc, degrees, and degrees with minutes and seconds
LIMITS = (0.01, 5000.0)  # m; other values are degrees, or no positions
REGULAR = 0.5  # the share of the distances that lie within a tenth of their median


def trace_spacing(headers: np.ndarray, layout: Layout) -> float | None:
    """Return the distance between neighbouring traces, m; None if the headers do not give it.

    Positions are those of the receivers, otherwise of the CDPs (from revision 1 on), otherwise of
    the sources, otherwise the offsets. Coordinates that the headers state as angles do not count.

    Args:
        headers: the first headers of a gather, (trace, 240) uint8.
        layout: the contents of the binary header.
    """
    if len(headers) < 2:
        return None
    scalar = _words(headers, SCALAR, layout.order + "i2").astype(float)
    factor = np.where(scalar < 0, 1 / np.minimum(scalar, -1) * -1, np.maximum(scalar, 1))
    angles = np.isin(_words(headers, UNITS, layout.order + "i2"), ANGLES).any()
    for bytes_ in COORDINATES:
        if angles or (bytes_[0] == 181 and layout.revision < 1):
            continue
        x, y = (_words(headers, byte, layout.order + "i4") * factor for byte in bytes_)
        spacing = _regular(np.hypot(np.diff(x), np.diff(y)), layout)
        if spacing is not None:
            return spacing
    offsets = _words(headers, OFFSET, layout.order + "i4").astype(float)
    return _regular(np.abs(np.diff(offsets)), layout)


def _regular(distances: np.ndarray, layout: Layout) -> float | None:
    moved = distances[distances > 0]
    if 2 * len(moved) < len(distances) or not len(moved):
        return None
    middle = float(np.median(moved))
    if np.mean(np.abs(moved - middle) <= 0.1 * middle) < REGULAR:
        return None
    metres = middle * (0.3048 if layout.feet else 1.0)
    return metres if LIMITS[0] <= metres <= LIMITS[1] else None


def _words(headers: np.ndarray, byte: int, kind: str) -> np.ndarray:
    size = np.dtype(kind).itemsize
    return np.ascontiguousarray(headers[:, byte - 1 : byte - 1 + size]).view(kind)[:, 0]
