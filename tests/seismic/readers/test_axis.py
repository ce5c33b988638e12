"""The vertical axis of a SEG-Y file, and the decoded and encoded samples of each format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import segyio
from case_table import table

from scionwood import ReadError
from scionwood_seismic.readers.samples import FORMATS, decode, encode
from scionwood_seismic.readers.segy import SegyReader


def test_time_is_in_seconds_from_the_recording_delay(segy):
    with SegyReader(segy(interval=2000, delay=100)) as reader:
        time = next(iter(reader)).coords["time"]
    np.testing.assert_allclose(time[:3], [0.1, 0.102, 0.104])


@table(("scalar", "start"), [(10, 1.0), (-10, 0.01), (0, 0.1), (77, 0.1)])
def test_the_time_scalar_applies_from_revision_1(segy, scalar, start):
    path = segy(delay=100)
    raw = bytearray(path.read_bytes())
    raw[3600 + 214 : 3600 + 216] = scalar.to_bytes(2, "big", signed=True)
    path.write_bytes(raw)
    with SegyReader(path) as reader:
        assert next(iter(reader)).coords["time"][0] == pytest.approx(0.1)
    raw[3500] = 1
    path.write_bytes(raw)
    with SegyReader(path) as reader:
        assert next(iter(reader)).coords["time"][0] == pytest.approx(start)


class TestDepth:
    def reader(self, path: Path, **fields: int) -> SegyReader:
        with segyio.open(path, "r+", ignore_geometry=True) as file:
            file.bin.update(**fields)
        return SegyReader(path, vertical="depth")

    @table(
        ("interval", "feet", "step"), [(5, 1, 5.0), (5000, 1, 5.0), (10, 2, 3.048), (500, 0, 0.5)]
    )
    def test_the_depth_interval_is_in_metres(self, segy, interval, feet, step):
        with self.reader(segy(delay=100), hdt=interval, mfeet=feet) as reader:
            record = next(iter(reader))
            assert (reader.dt, reader.dims) == (pytest.approx(step), ("trace", "depth"))
            assert reader.units["depth"] == "m"
        assert record.coords["depth"][0] == pytest.approx(100 * (0.3048 if feet == 2 else 1))


def test_refuses_a_missing_sample_interval(segy):
    with pytest.raises(ReadError, match=r"no header gives.*--dt 0\.004"):
        SegyReader(segy(interval=0))


def test_ibm_floats_survive_a_round_trip():
    """A float32 represents at least 21 bits of the fraction of an IBM float."""
    rng = np.random.default_rng(0)
    data = (rng.standard_normal((20, 50)) * 10.0 ** rng.integers(-30, 30, (20, 50))).astype("f4")
    raw, lost = encode(data, 1, ">")
    assert lost == 0
    np.testing.assert_allclose(decode(raw, 1, ">"), data, rtol=2.0**-21)
    again, _ = encode(decode(raw, 1, ">"), 1, ">")
    np.testing.assert_array_equal(again, raw)


def test_known_ibm_bits():
    """The textbook example: -118.625 is 0xC276A000."""
    raw, _ = encode(np.array([[-118.625, 0.0, 1.0]], np.float32), 1, ">")
    assert raw.tobytes().hex() == "c276a0000000000041100000"


@table("code", [2, 3, 7, 8, 9, 10, 11, 12, 15, 16])
@table("order", "<>")
def test_integers_clip_at_their_range(code, order):
    raw, lost = encode(np.array([[-np.inf, np.inf, 1e30, 3.4]]), code, order)
    low, high, higher, small = decode(raw, code, order)[0].tolist()
    bits = 8 * FORMATS[code].size
    signed = "unsigned" not in FORMATS[code].name
    assert low == (-(2.0 ** (bits - 1)) if signed else 0)
    assert high == higher == pytest.approx(2.0 ** (bits - signed) - 1, rel=1e-6)
    assert (small, lost) == (3, 3)
