"""miniSEED, SAC, SU and SEG-2, on the test files of ObsPy."""

from __future__ import annotations

import gzip
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood import Record, WriteError
from scionwood_seismic.readers.sources import obspy
from scionwood_seismic.readers.streams import StreamReader

OBSPY = Path(obspy.__file__).parent / "io"
MSEED, SAC, SEG2 = (OBSPY / name / "tests/data" for name in ("mseed", "sac", "seg2"))


def flip(record: Record) -> np.ndarray:
    return record.data[:, ::-1]


def rewrite(path: Path, target: Path, function: Callable[[Record], np.ndarray] = flip) -> list[str]:
    """Rewrite a file, and return the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with StreamReader(path) as reader:
            reader.rewrite(target, function)
    return [str(warning.message) for warning in caught]


def records(path: Path) -> list[Record]:
    with StreamReader(path) as reader:
        return list(reader)


def su(path: Path, data: np.ndarray, *, order: str = "<", delay: int = 0) -> Path:
    """Write SU at 2 ms with header bytes that must be preserved."""
    rng = np.random.default_rng(1)
    raw = bytearray()
    for row in data:
        header = bytearray(rng.bytes(240))
        struct.pack_into(order + "h", header, 108, delay)
        struct.pack_into(order + "HH", header, 114, data.shape[1], 2000)
        raw += header + row.astype(order + "f4").tobytes()
    path.write_bytes(raw)
    return path


def mseed(path: Path, *traces: obspy.Trace, encoding: str | None = None) -> Path:
    obspy.Stream(list(traces)).write(str(path), format="MSEED", encoding=encoding)
    return path


def trace(data: np.ndarray, channel: str, start: float = 0.0) -> obspy.Trace:
    header = {"network": "XX", "station": "ABC", "channel": channel, "sampling_rate": 100.0}
    return obspy.Trace(data, {**header, "starttime": obspy.UTCDateTime(start)})


@pytest.fixture
def data() -> np.ndarray:
    return (np.random.default_rng(0).standard_normal((3, 50)) * 20).astype(np.float32)


@pytest.fixture
def seg2(tmp_path: Path) -> Path:
    """A real file of three 32 bit traces."""
    path = tmp_path / "in.seg2"
    packed = (SEG2 / "20130107_103041000.CET.3c.cont.0.seg2.gz").read_bytes()
    path.write_bytes(gzip.decompress(packed))
    return path


def test_channels_that_start_together_are_a_gather_in_the_order_of_the_file():
    path = MSEED / "two_channels.mseed"
    (record,) = records(path)
    expected = [t.data for t in obspy.read(str(path))]
    np.testing.assert_array_equal(record.data, np.stack(expected).astype(np.float32))
    np.testing.assert_allclose(np.diff(record.coords["time"]), 0.005)


def test_the_segment_after_a_gap_is_a_separate_gather():
    """Two of the segments have the same length, but are separate gathers."""
    with pytest.warns(UserWarning, match=r"3 gaps, the longest of 4\.12 s in BW\.BGLD\.\.EHE"):
        gathers = records(MSEED / "gaps.mseed")
    assert [r.data.shape for r in gathers] == [(1, 412), (1, 824), (1, 824), (1, 50668)]
    starts = [str(r.key["start"]) for r in gathers]
    assert starts == sorted(starts)


def test_channels_that_start_at_different_times_are_separate_gathers(tmp_path, data):
    close = [trace(data[0], "HHZ"), trace(data[1], "HHN", 0.004), trace(data[2], "HHE", 0.01)]
    gathers = records(mseed(tmp_path / "a.mseed", *close))
    shapes = sorted(r.data.shape for r in gathers)
    assert shapes == [(1, 50), (2, 50)]


def test_long_gathers_are_read_in_blocks(tmp_path, data):
    with StreamReader(su(tmp_path / "a.su", data), block=2) as reader:
        assert reader.traces == 3
        assert [len(record.data) for record in reader] == [2, 1]


@table(
    "name",
    [
        "BW.BGLD.__.EHE.D.2008.001.first_10_records",
        "encoding/float32_Float32_bigEndian.mseed",
        "encoding/float64_Float64_littleEndian.mseed",
        "encoding/int16_INT16_bigEndian.mseed",
        "encoding/int16_INT16_littleEndian.mseed",
        "encoding/int32_INT32_littleEndian.mseed",
        "encoding/int32_Steim1_littleEndian.mseed",
        "encoding/int32_Steim2_bigEndian.mseed",
        "dataquality-m.mseed",
        "gaps.mseed",
        "reclen_1024_without_sequence_numbers.mseed",
        "two_channels.mseed",
    ],
)
def test_miniseed_keeps_encoding_records_order_quality_and_times(tmp_path, name):
    path, target = MSEED / name, tmp_path / "out.mseed"
    rewrite(path, target)
    before, after = obspy.read(str(path)), obspy.read(str(target))
    for old, new in zip(before, after, strict=True):
        assert new.id == old.id
        assert (new.stats.starttime, new.stats.delta) == (old.stats.starttime, old.stats.delta)
        for key in ("encoding", "byteorder", "record_length", "dataquality"):
            assert new.stats.mseed[key] == old.stats.mseed[key]
        np.testing.assert_array_equal(new.data, old.data[::-1])


@pytest.mark.parametrize("name", ["blockette300.mseed", "qualityflags.mseed"])
def test_miniseed_warns_of_what_repacking_loses(tmp_path, name):
    lost = rewrite(MSEED / name, tmp_path / "out.mseed", lambda record: record.data + 1)
    wanted = "blockettes 300, 1001 and flags" if "300" in name else "flags"
    assert f"{name}: {wanted} of its records are not kept" in lost


@pytest.mark.parametrize("order", "<>")
def test_su_keeps_every_header_byte(tmp_path, data, order):
    path = su(tmp_path / "in.su", data, order=order, delay=-40)
    target = tmp_path / "out.su"
    rewrite(path, target)
    old, new = (np.fromfile(p, np.uint8).reshape(3, -1) for p in (path, target))
    np.testing.assert_array_equal(old[:, :240], new[:, :240])
    np.testing.assert_array_equal(new[:, 240:].copy().view(order + "f4"), data[:, ::-1])
    (record,) = records(target)
    assert record.coords["time"][0] == pytest.approx(-0.04)
    np.testing.assert_allclose(np.diff(record.coords["time"]), 0.002)


def test_su_traces_with_different_delays_or_lengths_are_separate_gathers(tmp_path, data):
    parts = [
        su(tmp_path / "a.su", data),
        su(tmp_path / "b.su", data, delay=100),
        su(tmp_path / "c.su", data[:, :20]),
    ]
    whole = tmp_path / "whole.su"
    whole.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert [r.data.shape for r in records(whole)] == [(3, 50), (3, 50), (3, 20)]


@table("name", ["test.sac", "test.sac.swap", "LMOW.BHE.SAC"])
def test_sac_keeps_every_header_byte(tmp_path, name):
    path, target = SAC / name, tmp_path / "out.sac"
    rewrite(path, target)
    assert target.read_bytes()[:632] == path.read_bytes()[:632]
    before, after = obspy.read(str(path))[0], obspy.read(str(target))[0]
    np.testing.assert_array_equal(after.data, before.data[::-1])


def test_seg2_keeps_every_byte_except_the_samples(tmp_path, seg2):
    target = tmp_path / "out.seg2"
    said = rewrite(seg2, target, lambda record: record.data // 2)
    assert said == ["in.seg2 stores 32 bit integers: samples were rounded, 0 clipped"]
    old, new = (np.fromfile(p, np.uint8) for p in (seg2, target))
    blocks = [(2080 + 1056, 8000), (11136 + 1056, 8000), (20192 + 1056, 8000)]
    for start, size in blocks:
        assert (old[start : start + size] != new[start : start + size]).any()
        old[start : start + size] = new[start : start + size] = 0
    np.testing.assert_array_equal(old, new)
    (before,), (after,) = records(seg2), records(target)
    np.testing.assert_array_equal(after.data, before.data // 2)


@table(
    "path",
    [
        MSEED / "timingquality.mseed",
        SAC / "test.sac",
        OBSPY / "segy/tests/data/1.su_first_trace",
    ],
    ids=lambda path: path.name,
)
def test_a_file_without_changes_keeps_its_bytes(tmp_path, path):
    assert rewrite(path, tmp_path / "out", lambda record: record.data) == []
    assert (tmp_path / "out").read_bytes() == path.read_bytes()


def test_unchanged_samples_keep_their_bits(tmp_path):
    """A float32 cannot represent every integer beyond 2^24."""
    counts = (1 << 24) + 1 + np.arange(40, dtype=np.int32)
    path = mseed(tmp_path / "in.mseed", trace(counts, "HHZ"), encoding="INT32")

    def change(record: Record) -> np.ndarray:
        record.data[0, 7] = -3.4
        return record.data

    rewrite(path, tmp_path / "out.mseed", change)
    counts[7] = -3
    np.testing.assert_array_equal(obspy.read(str(tmp_path / "out.mseed"))[0].data, counts)


def test_replaces_a_file_on_request_and_refuses_to_resume(tmp_path):
    target = tmp_path / "out.sac"
    target.write_bytes(b"precious")
    with StreamReader(SAC / "test.sac") as reader:
        with pytest.raises(WriteError, match="cannot be resumed"):
            reader.rewrite(tmp_path / "new.sac", flip, resume=True)
        reader.rewrite(target, flip, overwrite=True)
    assert target.stat().st_size == (SAC / "test.sac").stat().st_size
