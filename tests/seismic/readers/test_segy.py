from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import segyio

from scionwood import OutputExistsError, ReadError, Record, WriteError
from scionwood_seismic.readers.segy import SegyReader

Write = Callable[..., Path]
Headers = Callable[[Path, int], bytes]
ENCODINGS = {"ibm": 1, "int32": 2, "int16": 3, "ieee": 5, "double": 6, "int8": 8}


def halve(record: Record) -> np.ndarray:
    return record.data / 2


@pytest.mark.parametrize("endian", ["big", "little"])
@pytest.mark.parametrize("encoding", ENCODINGS)
class TestEveryEncoding:
    def test_is_read(self, segy: Write, gathers: np.ndarray, encoding: str, endian: str) -> None:
        path = segy(format=ENCODINGS[encoding], endian=endian)
        with SegyReader(path, gather="fldr") as reader:
            found = np.stack([record.data for record in reader])
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, gathers, rtol=1e-6, atol=1.0 if "int" in encoding else 0)

    def test_keeps_every_header_byte(
        self, segy: Write, headers: Headers, encoding: str, endian: str
    ) -> None:
        path = segy(format=ENCODINGS[encoding], endian=endian)
        target = path.with_name("out.sgy")
        with SegyReader(path, gather="fldr") as reader, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # integers are rounded
            before = np.stack([record.data for record in reader])
            reader.rewrite(target, halve)
        assert headers(target, 48) == headers(path, 48)
        assert target.stat().st_size == path.stat().st_size
        with SegyReader(target, gather="fldr") as reader:
            after = np.stack([record.data for record in reader])
        np.testing.assert_allclose(
            after, before / 2, rtol=1e-6, atol=0.5 if "int" in encoding else 0
        )


def test_gathers_are_found_by_header_wherever_their_traces_are(
    segy: Write, gathers: np.ndarray
) -> None:
    with SegyReader(segy(), gather="offset") as reader:
        records = list(reader)
    assert [record.key for record in records] == [{"offset": 25 * i} for i in range(24)]
    np.testing.assert_array_equal(records[3].data, gathers[:, 3])
    np.testing.assert_array_equal(records[3].coords["trace"], [3, 27])


def test_a_rewrite_of_scattered_gathers_puts_each_trace_back(segy: Write) -> None:
    path = segy()
    target = path.with_name("out.sgy")
    with SegyReader(path, gather="cdp") as reader:
        reader.rewrite(target, halve)
    with SegyReader(path) as before, SegyReader(target) as after:
        np.testing.assert_array_equal(next(iter(after)).data, next(iter(before)).data / 2)


def test_long_gathers_come_in_blocks(segy: Write, gathers: np.ndarray) -> None:
    with SegyReader(segy(), gather="fldr", block=10) as reader:
        assert [len(record.data) for record in reader] == [10, 10, 4, 10, 10, 4]
    with SegyReader(segy(), block=30) as reader:
        assert [record.key for record in reader] == [{"block": 0}, {"block": 1}]


def test_time_is_in_seconds_from_the_recording_delay(segy: Write) -> None:
    with SegyReader(segy(interval=2000, delay=100)) as reader:
        time = next(iter(reader)).coords["time"]
    np.testing.assert_allclose(time[:3], [0.1, 0.102, 0.104])


def test_traces_that_come_back_unchanged_keep_their_bytes(segy: Write, gathers: np.ndarray) -> None:
    """An int32 that float32 cannot hold survives, since its trace is not written."""
    path = segy(data=np.full((1, 24, 40), 2**24 + 1), format=2)
    target = path.with_name("out.sgy")
    with SegyReader(path) as reader, pytest.warns(UserWarning, match="32 bit integers"):
        reader.rewrite(target, lambda record: record.data)
    assert target.read_bytes() == path.read_bytes()


def test_integers_are_clipped_with_a_warning_not_wrapped(segy: Write) -> None:
    path = segy(format=3)
    target = path.with_name("out.sgy")
    with SegyReader(path) as reader, pytest.warns(UserWarning, match=r"[1-9]\d* clipped"):
        reader.rewrite(target, lambda record: record.data * 1e4)
    with SegyReader(path) as before, SegyReader(target) as after:
        old, new = next(iter(before)).data, next(iter(after)).data
    np.testing.assert_array_equal(np.sign(new), np.sign(old))
    assert new.max() == 32767


def test_an_existing_output_is_kept_unless_told(segy: Write) -> None:
    path = segy()
    target = path.with_name("out.sgy")
    target.write_text("mine")
    with SegyReader(path) as reader:
        with pytest.raises(OutputExistsError, match=r"out\.sgy.*exists.*--force"):
            reader.rewrite(target, halve)
        assert target.read_text() == "mine"
        reader.rewrite(target, halve, overwrite=True)
    assert target.stat().st_size == path.stat().st_size


def test_a_full_disk_leaves_nothing(small_disk: Path, segy: Write) -> None:
    path = segy(data=np.ones((4, 100, 100)))
    with (
        SegyReader(path) as reader,
        pytest.raises(WriteError, match=r"out\.sgy.*No space left.*bytes"),
    ):
        reader.rewrite(small_disk / "out.sgy", halve)
    assert list(small_disk.iterdir()) == []


def test_a_failure_half_way_leaves_nothing(segy: Write, tmp_path: Path) -> None:
    path = segy()
    done = []

    def fail_second(record: Record) -> np.ndarray:
        done.append(record)
        return record.data if len(done) == 1 else record.data[:3]

    with SegyReader(path, gather="fldr") as reader, pytest.raises(WriteError, match="shape"):
        reader.rewrite(tmp_path / "out.sgy", fail_second)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.sgy"]


def test_traces_of_several_lengths_are_refused(segy: Write) -> None:
    path = segy()
    with segyio.open(path, "r+", ignore_geometry=True) as file:
        file.header[5] = {segyio.su.ns: 33}
    with pytest.raises(ReadError, match=r"33.*40.*one length"):
        SegyReader(path)


def test_a_missing_sample_interval_is_refused(segy: Write) -> None:
    with pytest.raises(ReadError, match=r"sample interval.*microseconds"):
        SegyReader(segy(interval=0))
