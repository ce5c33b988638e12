"""Decode the sample formats of SEG-Y to float32, and encode them again, with numpy.

Source: SEG-Y revision 2, SEG, 2017, table 3 (format codes). An IBM float has a sign bit, a 7 bit
exponent of 16 with a bias of 64, and a fraction of 24 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["ibm", "ieee", "integer"]


@dataclass(frozen=True)
class SampleFormat:
    """One sample format.

    Attributes:
        name: its name in messages.
        size: bytes per sample.
        kind: the encoding of the bits.
        native: the numpy type of a sample, without byte order; for 3 bytes the next wider one.
    """

    name: str
    size: int
    kind: Kind
    native: str


FORMATS = {
    1: SampleFormat("IBM floats", 4, "ibm", "u4"),
    2: SampleFormat("32 bit integers", 4, "integer", "i4"),
    3: SampleFormat("16 bit integers", 2, "integer", "i2"),
    5: SampleFormat("IEEE floats", 4, "ieee", "f4"),
    6: SampleFormat("IEEE doubles", 8, "ieee", "f8"),
    7: SampleFormat("24 bit integers", 3, "integer", "i4"),
    8: SampleFormat("8 bit integers", 1, "integer", "i1"),
    9: SampleFormat("64 bit integers", 8, "integer", "i8"),
    10: SampleFormat("unsigned 32 bit integers", 4, "integer", "u4"),
    11: SampleFormat("unsigned 16 bit integers", 2, "integer", "u2"),
    12: SampleFormat("unsigned 64 bit integers", 8, "integer", "u8"),
    15: SampleFormat("unsigned 24 bit integers", 3, "integer", "u4"),
    16: SampleFormat("unsigned 8 bit integers", 1, "integer", "u1"),
}
"""Format code (bytes 3225-3226) -> format. Code 4, fixed point with gain, is obsolete."""

IEEE = 5

# sign * 16^(exponent - 64) * fraction: a factor for each first byte, and 24 bits of fraction.
_IBM_UNIT = np.array(
    [(-1.0 if i & 0x80 else 1.0) * 16.0 ** ((i & 0x7F) - 64) / 2.0**24 for i in range(256)]
)


def decode(raw: np.ndarray, code: int, order: str) -> np.ndarray:
    """Decode samples.

    Args:
        raw: (trace, byte) uint8, its rows contiguous.
        code: a key of `FORMATS`.
        order: the byte order, `>` or `<`.

    Returns:
        (trace, time) float32; values outside its range become infinite.
    """
    form = FORMATS[code]
    if form.size == 3:
        return _three_bytes(raw, form, order).astype(np.float32)
    stored = raw.view(order + form.native)
    with np.errstate(over="ignore", under="ignore"):
        if form.kind != "ibm":
            return stored.astype(np.float32)
        bits = stored.astype(np.uint32)
        values: np.ndarray = (_IBM_UNIT[bits >> 24] * (bits & 0xFFFFFF)).astype(np.float32)
        return values


def encode(data: np.ndarray, code: int, order: str) -> tuple[np.ndarray, int]:
    """Encode samples. Integers are rounded; a value out of range becomes the nearest valid one.

    Args:
        data: (trace, time) float32 or float64; without NaN unless the format is IEEE.
        code: a key of `FORMATS`.
        order: the byte order, `>` or `<`.

    Returns:
        (trace, byte) uint8, and the number of samples that were out of range.

    Raises:
        ValueError: the data contains NaN and the format cannot represent it.
    """
    form = FORMATS[code]
    if form.kind != "ieee" and np.isnan(data).any():
        raise ValueError(f"{form.name} cannot hold NaN")
    if form.kind == "ieee":
        with np.errstate(over="ignore", under="ignore"):
            stored = data.astype(order + form.native)
        narrowed = stored.itemsize < data.itemsize
        lost = int((np.isinf(stored) & np.isfinite(data)).sum()) if narrowed else 0
        return stored.view(np.uint8), lost
    if form.kind == "ibm":
        bits, lost = _to_ibm(data)
        return bits.astype(order + "u4").view(np.uint8), lost
    rounded = np.rint(data.astype(np.float64))
    low, high = integer_limits(8 * form.size, signed=form.native[0] != "u")
    clipped = np.clip(rounded, low, high)
    lost = int((clipped != rounded).sum())
    integers = clipped.astype(form.native)
    if form.size == 3:
        wide = np.ascontiguousarray(integers.astype(order + form.native)).view(np.uint8)
        byte_range = slice(1, 4) if order == ">" else slice(0, 3)
        return wide.reshape(*data.shape, 4)[..., byte_range].reshape(len(data), -1), lost
    return integers.astype(order + form.native).view(np.uint8), lost


def overwrite_changed(
    raw: np.ndarray, before: np.ndarray, after: np.ndarray, code: int, order: str
) -> int:
    """Encode the changed samples into `raw`; the others keep their bits.

    Args:
        raw: (trace, byte) uint8, its rows contiguous; modified in place.
        before: (trace, time) float32, the decoded content of `raw`.
        after: (trace, time) float32 or float64, the new content.
        code: a key of `FORMATS`.
        order: the byte order, `>` or `<`.

    Returns:
        The number of samples that were out of range.

    Raises:
        ValueError: see `encode`.
    """
    if code == IEEE and after.dtype == np.float32:
        raw.view(order + "f4")[...] = after  # at most a byte swap: equal samples keep their bits
        return 0
    same = _same(after, before)
    if same.all():
        return 0
    new, lost = encode(np.where(same, 0, after), code, order)
    size = FORMATS[code].size
    unit = f"V{size}" if size == 3 else f"u{size}"  # numpy copies unsigned integers faster
    np.copyto(raw.view(unit), new.view(unit), where=~same)
    return lost


def _three_bytes(raw: np.ndarray, form: SampleFormat, order: str) -> np.ndarray:
    """Place three bytes in the upper part of four, so that a right shift extends the sign."""
    wide = np.zeros((len(raw), raw.shape[1] // 3, 4), np.uint8)
    upper = slice(0, 3) if order == ">" else slice(1, 4)
    wide[..., upper] = raw.reshape(len(raw), -1, 3)
    return wide.view(order + form.native)[..., 0] >> 8


def integer_limits(bits: int, *, signed: bool) -> tuple[float, float]:
    """Return the range of an integer type, as doubles inside it."""
    low, high = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)
    # The double nearest to 2^63 - 1 or 2^64 - 1 is one too large for the integer.
    return low, high if bits < 54 else float(np.nextafter(high, 0))


def _to_ibm(data: np.ndarray) -> tuple[np.ndarray, int]:
    largest = (1 - 2.0**-24) * 16.0**63
    magnitude = np.abs(data.astype(np.float64))
    lost = int((np.isfinite(magnitude) & (magnitude > largest)).sum())
    fraction, power = np.frexp(np.minimum(magnitude, largest))
    # The exponent counts in powers of 16, so that the fraction has up to three leading zeros; if it
    # rounds up to 1, it moves on by a digit (`carried`).
    hexes = -(-power // 4)
    mantissa = np.rint(np.ldexp(fraction, 24 + power - 4 * hexes)).astype(np.int64)
    carried = mantissa >> 24
    mantissa, exponent = np.where(carried, mantissa >> 4, mantissa), hexes + carried + 64
    tiny = (exponent < 0) | (mantissa == 0)
    exponent = np.clip(exponent, 0, 127)
    bits = (exponent << 24) | mantissa
    sign = np.signbit(data).astype(np.int64) << 31
    return (np.where(tiny, 0, bits) | sign).astype(np.uint32), lost


def _same(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return which samples did not change."""
    same: np.ndarray
    if after.dtype == before.dtype:  # compare bits, so that NaN equals itself
        same = np.ascontiguousarray(after).view(np.uint32) == before.view(np.uint32)
    else:
        same = (after == before) | (np.isnan(after) & np.isnan(before))
    return same
