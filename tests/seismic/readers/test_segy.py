from __future__ import annotations

import warnings

import numpy as np
import pytest
import segyio
from case_table import table

from scionwood import Record, WriteError
from scionwood_seismic.data.normalise import scale
from scionwood_seismic.readers.segy import SegyReader

ENCODINGS = {
    "ibm": 1,
    "int32": 2,
    "int16": 3,
    "ieee": 5,
    "double": 6,
    "int24": 7,
    "int8": 8,
    "int64": 9,
    "uint32": 10,
    "uint16": 11,
    "uint64": 12,
    "uint24": 15,
    "uint8": 16,
}


def halve(record: Record) -> np.ndarray:
    return record.data / 2


@table("endian", ["big", "little"])
@table("encoding", ENCODINGS)
def test_every_encoding_is_read_and_rewritten_with_every_header_byte(
    segy, headers, gathers, tmp_path, encoding, endian
):
    data = np.abs(gathers) if encoding.startswith("uint") else gathers
    path = segy(data=data, format=ENCODINGS[encoding], endian=endian)
    target = tmp_path / "out.sgy"
    with SegyReader(path, gather="fldr") as reader, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # integers are rounded
        before = np.stack([record.data for record in reader])
        reader.rewrite(target, halve)
    rounding = 1.0 if "int" in encoding else 0.0
    assert before.dtype == np.float32
    np.testing.assert_allclose(before, data, rtol=1e-6, atol=rounding)
    assert headers(target, 48) == headers(path, 48)
    assert target.stat().st_size == path.stat().st_size
    with SegyReader(target, gather="fldr") as reader:
        after = np.stack([record.data for record in reader])
    np.testing.assert_allclose(after, before / 2, rtol=1e-6, atol=rounding / 2)


def test_groups_scattered_traces_by_header(segy, gathers):
    with SegyReader(segy(), gather="offset") as reader:
        records = list(reader)
    assert [record.key for record in records] == [{"offset": 25 * i} for i in range(24)]
    np.testing.assert_array_equal(records[3].data, gathers[:, 3])
    np.testing.assert_array_equal(records[3].coords["trace"], [3, 27])


def test_rewrites_scattered_traces_in_place(segy):
    path = segy()
    target = path.with_name("out.sgy")
    with SegyReader(path, gather="cdp") as reader:
        reader.rewrite(target, halve)
    with SegyReader(path) as before, SegyReader(target) as after:
        np.testing.assert_array_equal(next(iter(after)).data, next(iter(before)).data / 2)


@table("endian", ["big", "little"])
@table("encoding", ["ibm", "int16", "uint64", "ieee", "double"])
def test_segyio_reads_the_same_result(segy, tmp_path, encoding, endian):
    """An independent reader decodes what this one encodes."""
    path = segy(data=np.full((1, 4, 40), 1.0), format=ENCODINGS[encoding], endian=endian)
    target = tmp_path / "out.sgy"
    wanted = np.abs(np.random.default_rng(0).standard_normal((4, 40)) * 1e3).astype(np.float32)
    with SegyReader(path) as reader, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # integers are rounded
        reader.rewrite(target, lambda record: wanted)
    with segyio.open(target, ignore_geometry=True, endian=endian) as file:
        samples = file.trace.raw[:]
    np.testing.assert_allclose(samples, wanted, rtol=5e-7, atol=0.5 if "int" in encoding else 0)


def test_ibm_values_beyond_float32_are_infinite_and_preserved(segy):
    path = segy(data=np.ones((1, 2, 40)), format=1)
    raw = bytearray(path.read_bytes())
    raw[3840:3844] = b"\x7f\xff\xff\xff"
    path.write_bytes(raw)
    target = path.with_name("out.sgy")
    with SegyReader(path) as reader:
        assert np.isinf(next(iter(reader)).data[0, 0])
        reader.rewrite(target, lambda record: record.data)
    assert target.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("encoding", ["ibm", "int24"])
def test_refuses_nan_in_a_format_without_it(segy, encoding):
    path = segy(format=ENCODINGS[encoding])
    with SegyReader(path) as reader, pytest.raises(WriteError, match=r"cannot hold NaN.*IEEE"):
        reader.rewrite(path.with_name("out.sgy"), lambda record: record.data * np.nan)


@table("encoding", ["double", "int64", "int32"])
def test_unchanged_samples_keep_digits_beyond_float32(segy, tmp_path, encoding):
    path = segy(data=np.full((1, 3, 40), 2**26 + 1, np.float64), format=ENCODINGS[encoding])
    target = tmp_path / "out.sgy"

    def change_one(record: Record) -> np.ndarray:
        record.data[1, 7] = 5
        return record.data

    with SegyReader(path) as reader, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # integers are rounded
        reader.rewrite(target, change_one)
    with segyio.open(target, ignore_geometry=True) as file:
        samples = file.trace.raw[:]
    assert samples[1, 7] == 5
    samples[1, 7] = 2**26 + 1
    assert (samples == 2**26 + 1).all()


class TestLongGathers:
    """A gather that is too long for memory is read in parts."""

    def test_parts_overlap_and_cover_all_traces(self, segy, gathers):
        with SegyReader(segy(), gather="fldr", block=10) as reader:
            records = list(reader)
            assert len(records) == len(reader)
            assert reader.traces_read == sum(len(record.data) for record in records)
        assert [record.coords["trace"][0] for record in records] == [0, 8, 16, 24, 32, 40]
        assert [len(record.data) for record in records] == [10, 10, 8, 10, 10, 8]
        assert [record.key["fldr"] for record in records] == [100] * 3 + [101] * 3
        for record in records:
            wanted = gathers.reshape(-1, 40)[record.coords["trace"]]
            np.testing.assert_array_equal(record.data, wanted)

    def test_without_a_key_the_file_is_one_gather(self, segy):
        with SegyReader(segy(), block=30) as reader:
            assert [record.key for record in reader] == [{"block": 0}, {"block": 1}]
            assert reader.gather_lengths.tolist() == [48]

    def test_blends_the_results_of_consecutive_parts(self, segy):
        """Parts with the results 0, 1 and 2 give a ramp over shared traces, and no step."""
        path = segy(data=np.full((1, 100, 40), 9.0))
        parts = iter(range(9))
        with SegyReader(path, gather="fldr", block=40) as reader:
            out = path.with_name("out.sgy")
            reader.rewrite(out, lambda record: np.full_like(record.data, next(parts)))
        with SegyReader(out) as reader:
            level = next(iter(reader)).data[:, 0]
        assert (level[:30] == 0).all()
        assert (level[40:60] == 1).all()
        assert (level[70:] == 2).all()
        assert (np.diff(level) >= 0).all()
        assert np.diff(level).max() < 0.2

    def test_samples_that_no_part_changes_keep_their_bytes(self, segy):
        data = np.random.default_rng(0).standard_normal((1, 100, 40)).astype(np.float32)
        data[0, 35:38] = [[np.nan], [np.inf], [-0.0]]
        path = segy(data=data)
        out = path.with_name("out.sgy")
        with SegyReader(path, gather="fldr", block=40) as reader:
            reader.rewrite(out, lambda record: record.data)
        assert out.read_bytes() == path.read_bytes()

    def test_all_parts_of_a_gather_have_one_unit(self, segy):
        """The unit is the scale of the whole gather; it is None for a whole gather."""
        rng = np.random.default_rng(0)
        data = (rng.standard_normal((2, 60, 40)) * np.linspace(1, 50, 60)[:, None]).astype("f4")
        data[1] *= 1e-6
        with SegyReader(segy(data=data), gather="fldr", block=20) as reader:
            units = [reader.unit(record) for record in reader]
        half = len(units) // 2
        assert units == pytest.approx([scale(data[0])] * half + [scale(data[1])] * half)
        with SegyReader(segy(data=data), gather="fldr") as reader:
            assert [reader.unit(record) for record in reader] == [None, None]
