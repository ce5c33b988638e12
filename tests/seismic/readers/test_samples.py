"""The decoded and encoded samples of each format."""

from __future__ import annotations

import numpy as np
import pytest
from case_table import table

from scionwood_seismic.readers.samples import FORMATS, decode, encode


def test_ibm_floats_survive_a_round_trip() -> None:
    """A float32 represents at least 21 bits of the fraction of an IBM float."""
    rng = np.random.default_rng(0)
    data = (rng.standard_normal((20, 50)) * 10.0 ** rng.integers(-30, 30, (20, 50))).astype("f4")
    raw, lost = encode(data, 1, ">")
    assert lost == 0
    np.testing.assert_allclose(decode(raw, 1, ">"), data, rtol=2.0**-21)
    again, _ = encode(decode(raw, 1, ">"), 1, ">")
    np.testing.assert_array_equal(again, raw)


def test_known_ibm_bits() -> None:
    """The textbook example: -118.625 is 0xC276A000."""
    raw, _ = encode(np.array([[-118.625, 0.0, 1.0]], np.float32), 1, ">")
    assert raw.tobytes().hex() == "c276a0000000000041100000"


@table("code", [2, 3, 7, 8, 9, 10, 11, 12, 15, 16])
@table("order", "<>")
def test_integers_clip_at_their_range(code: int, order: str) -> None:
    raw, lost = encode(np.array([[-np.inf, np.inf, 1e30, 3.4]]), code, order)
    low, high, higher, small = decode(raw, code, order)[0].tolist()
    bits = 8 * FORMATS[code].size
    signed = "unsigned" not in FORMATS[code].name
    assert low == (-(2.0 ** (bits - 1)) if signed else 0)
    assert high == higher == pytest.approx(2.0 ** (bits - signed) - 1, rel=1e-6)
    assert (small, lost) == (3, 3)
