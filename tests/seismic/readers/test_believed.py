"""Headers that contradict each other, or the file: what is believed, and what is refused."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import segyio
from case_table import table

from scionwood import ReadError
from scionwood_seismic.readers.opening import open_file
from scionwood_seismic.readers.segy import SegyReader
from scionwood_seismic.readers.streams import StreamReader

Write = Callable[..., Path]
SHARED = Path(__file__).parents[4] / "shared/data/seismic"
CODES = (1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 16)
"""The sample formats that segyio decodes."""


def stale(path: Path, endian: str = "big", **fields: int) -> Path:
    """Set fields of all trace headers, by their names in segyio."""
    with segyio.open(path, "r+", ignore_geometry=True, endian=endian) as file:
        for header in file.header:
            header.update({getattr(segyio.su, name): value for name, value in fields.items()})
    return path


@table("endian", ["big", "little"])
@table("code", CODES)
def test_the_size_of_the_file_decides_against_stale_trace_headers(
    segy, gathers, tmp_path, code, endian
):
    data, target = np.rint(np.abs(gathers)), tmp_path / "out.sgy"
    path = stale(segy(data=data, format=code, endian=endian), endian, ns=462)
    with pytest.warns(UserWarning, match=r"give 462 samples.* 40, which was believed"):
        reader = open_file(path)
    with reader, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # integers are rounded
        (record,) = reader
        assert len(reader.warnings) == 1
        reader.rewrite(target, lambda record: record.data)
    with segyio.open(path, ignore_geometry=True, endian=endian) as file:
        np.testing.assert_array_equal(record.data, file.trace.raw[:].astype(np.float32))
    assert target.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("name", "count"), [("f3.sgy", 75), ("viking_small.segy", 600)])
def test_public_files_with_stale_headers(tmp_path, name, count):
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"needs the real file {name} in shared/data/seismic")
    with pytest.warns(UserWarning, match=f"fits {count}, which was believed"):
        reader = open_file(path, gather="fldr")
    with reader, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # integers are rounded
        samples = np.concatenate([record.data for record in reader])
        assert reader.dx == pytest.approx(25, rel=1e-2)
        reader.rewrite(tmp_path / name, lambda record: record.data)
    with segyio.open(path, ignore_geometry=True) as file:
        np.testing.assert_array_equal(samples, file.trace.raw[:])
    assert (tmp_path / name).read_bytes() == path.read_bytes()


class TestTraceHeaders:
    """Trace headers that lead to the end of the file are believed against the binary header."""

    @table("count", [0, 33, 500, 90])
    def test_with_one_length(self, segy, gathers, count):
        """With 90 samples, the size of the file fits the binary header too."""
        path = stale(segy(data=gathers[:, :3]), ns=40)
        raw = bytearray(path.read_bytes())
        struct.pack_into(">H", raw, 3220, count)
        path.write_bytes(raw)
        assert ((len(raw) - 3600) % (240 + 4 * count) == 0) == (count in (0, 90))
        with pytest.warns(UserWarning, match=f"binary header gives {count} .*give 40"):
            reader = open_file(path)
        with reader:
            np.testing.assert_array_equal(next(iter(reader)).data, gathers[:, :3].reshape(6, 40))

    def test_with_several_lengths_are_refused(self, segy, gathers):
        path = stale(segy(), ns=40)
        raw = path.read_bytes()
        last = bytearray(raw[-400:-40])  # the last trace, ten samples shorter
        struct.pack_into(">H", last, 114, 30)
        path.write_bytes(raw[:-400] + last)
        with pytest.raises(ReadError, match=r"2 lengths, 30 to 40 samples.*Pad or cut"):
            open_file(path)

    def test_one_stale_header_does_not_matter(self, segy):
        path = segy()
        with segyio.open(path, "r+", ignore_geometry=True) as file:
            file.header[5] = {segyio.su.ns: 33}
        with pytest.warns(UserWarning, match="give 33 samples"), open_file(path) as reader:
            assert reader.traces == 48


class TestOptions:
    def test_samples_overrule_all_headers(self, segy, gathers):
        path = stale(segy(), ns=500)
        raw = bytearray(path.read_bytes())
        struct.pack_into(">H", raw, 3220, 77)
        path.write_bytes(raw)
        with pytest.raises(ReadError, match=r"gives 77 samples.*--samples N"):
            open_file(path)
        with open_file(path, samples=40) as reader:
            (record,) = reader
            assert reader.warnings == ()
        np.testing.assert_array_equal(record.data, gathers.reshape(-1, 40))
        with pytest.raises(ReadError, match=r"samples= \(--samples\) gives 41 samples"):
            open_file(path, samples=41)

    def test_dt_overrules_the_headers(self, segy):
        with open_file(segy(interval=0), dt=0.002) as reader:
            assert next(iter(reader)).coords["time"][1] == pytest.approx(0.002)
        with (
            pytest.warns(UserWarning, match=r"gives .* 0\.004 s; the given 0\.002 s was believed"),
            open_file(segy(), dt=0.002) as reader,
        ):
            assert reader.dt == 0.002
        with pytest.raises(ReadError, match=r"4 seconds is outside 0 to 1.*--dt 0\.004 for 4 ms"):
            open_file(segy(), dt=4.0)

    def test_endian_is_not_guessed_if_given(self, segy):
        with pytest.raises(ReadError, match=r"hold 1280, no sample format in little endian"):
            open_file(segy(), endian="little")
        with open_file(segy(endian="little"), endian="little") as reader:
            assert reader.traces == 48


class TestInterval:
    def test_of_the_trace_headers_if_the_binary_header_has_none(self, segy):
        with SegyReader(stale(segy(interval=0), dt=2000)) as reader:
            assert (reader.dt, reader.warnings) == (0.002, ())

    def test_of_the_binary_header_if_they_contradict(self, segy):
        path = stale(segy(), dt=2000)
        with (
            pytest.warns(UserWarning, match=r"interval of 2000, .* 4000 microseconds, which was"),
            SegyReader(path) as reader,
        ):
            assert reader.dt == 0.004

    @pytest.mark.parametrize(("binary", "trace", "dt"), [(-2, 4000, 0.004), (2000, -25000, 0.002)])
    def test_negative_numbers_are_no_intervals(self, segy, binary, trace, dt):
        with SegyReader(stale(segy(interval=binary), dt=trace)) as reader:
            assert (reader.dt, reader.warnings) == (dt, ())

    def test_two_negative_numbers_ask_for_the_option(self, segy):
        with pytest.raises(ReadError, match=r"no header gives.*--dt"):
            SegyReader(stale(segy(interval=-2000), dt=-25000))

    def test_long_intervals_need_both_headers(self, segy):
        with SegyReader(stale(segy(interval=40_000), dt=40_000)) as reader:
            assert reader.dt == 0.04

    def test_mixed_intervals_are_refused(self, segy):
        path = stale(segy(), dt=4000)
        with segyio.open(path, "r+", ignore_geometry=True) as file:
            for i in range(24):
                file.header[i] = {segyio.su.dt: 2000}
        message = r"several sample intervals.*: 2000 in 24 traces, 4000 in 24 traces.*Split"
        with pytest.raises(ReadError, match=message):
            SegyReader(path)
        with SegyReader(path, dt=0.004) as reader:
            assert reader.traces == 48


class TestRevision2:
    def file(self, segy: Write, tmp_path: Path, extensions: int, **header: int) -> Path:
        """Give each trace header of a file more headers, and the file three text records."""
        raw = segy().read_bytes()
        head = bytearray(raw[:3600])
        head[3500] = 2
        struct.pack_into(">hi2xQQi", head, 3504, 2, extensions, 48, 0, 1)
        for name, value in header.items():
            form, at = {"count": ("Q", 3512), "first": ("Q", 3520), "texts": ("h", 3504)}[name]
            struct.pack_into(">" + form, head, at, value)
        rows = np.frombuffer(raw[3600:], np.uint8).reshape(48, -1)
        more = np.random.default_rng(0).integers(0, 256, (48, 240 * extensions), np.uint8)
        body = np.hstack([rows[:, :240], more, rows[:, 240:]]).tobytes()
        text = b"@" * 3200 + "((SEG: EndText))".encode("cp037").ljust(3200, b"@")
        path = tmp_path / "new.sgy"
        path.write_bytes(bytes(head) + text + body + b"t" * 3200)
        return path

    @table(
        "header",
        [{}, {"texts": -1}, {"first": 10_000}, {"count": 0}],
        ids=["plain", "open text", "first trace", "no count"],
    )
    def test_extensions_of_trace_headers(self, segy, gathers, tmp_path, header):
        path = self.file(segy, tmp_path, 2, **header)
        with open_file(path, gather="fldr") as reader:
            samples = np.concatenate([record.data for record in reader])
            assert (reader.traces, reader.dt) == (48, 0.004)
            reader.rewrite(tmp_path / "out.sgy", lambda record: 2 * record.data)
        np.testing.assert_array_equal(samples, gathers.reshape(-1, 40))
        before, after = path.read_bytes(), (tmp_path / "out.sgy").read_bytes()
        assert before[:10_000] == after[:10_000]
        assert before[-3200:] == after[-3200:]
        rows = [np.frombuffer(x[10_000:-3200], np.uint8).reshape(48, -1) for x in (before, after)]
        np.testing.assert_array_equal(rows[0][:, :720], rows[1][:, :720])
        doubled = rows[1][:, 720:].copy().view(">f4")
        np.testing.assert_array_equal(doubled, 2 * samples)

    def test_a_wrong_count_of_traces_is_said(self, segy, tmp_path):
        path = self.file(segy, tmp_path, 0, count=500)
        with (
            pytest.warns(UserWarning, match="counts 500 traces, the file holds 48"),
            SegyReader(path) as reader,
        ):
            assert reader.traces == 48

    def test_the_constant_of_bytes_3297_decides_the_byte_order(self, segy):
        path = segy(endian="little")
        raw = bytearray(path.read_bytes())
        raw[3296:3300] = bytes([1, 2, 3, 4])
        path.write_bytes(raw)
        with pytest.raises(ReadError, match="no sample format in big endian"):
            SegyReader(path)
        raw[3296:3300] = bytes([4, 3, 2, 1])
        path.write_bytes(raw)
        assert SegyReader(path).layout.endian == "little"


class TestSeismicUnix:
    def file(self, tmp_path: Path, endian: str, *, ns: int, dt: int) -> tuple[Path, np.ndarray]:
        data = np.random.default_rng(0).standard_normal((25, 50)).astype(np.float32)
        order = ">" if endian == "big" else "<"
        head = bytearray(240)
        struct.pack_into(order + "HH", head, 114, ns, dt)
        path = tmp_path / "small.su"
        path.write_bytes(b"".join(bytes(head) + row.astype(order + "f4").tobytes() for row in data))
        return path, data

    @pytest.mark.parametrize("endian", ["big", "little"])
    def test_without_an_interval_asks_for_it(self, tmp_path, endian):
        path, data = self.file(tmp_path, endian, ns=50, dt=0)
        with pytest.raises(ReadError, match=r"no sample interval.*--dt 0\.004"):
            open_file(path)
        with open_file(path, dt=0.004) as reader:
            (record,) = reader
            assert isinstance(reader, StreamReader)
            assert reader.dt == 0.004
        np.testing.assert_array_equal(record.data, data)
        with segyio.su.open(path, ignore_geometry=True, endian=endian) as file:
            np.testing.assert_array_equal(record.data, file.trace.raw[:])

    def test_with_stale_headers_asks_for_the_samples(self, tmp_path):
        path, data = self.file(tmp_path, "big", ns=462, dt=4000)
        with pytest.raises(ReadError, match=r"not SU.*--samples N"):
            open_file(path)
        with open_file(path, samples=50, endian="big") as reader:
            np.testing.assert_array_equal(next(iter(reader)).data, data)


def test_long_traces_without_trace_headers(tmp_path):
    """60,000 samples in an unsigned field of 16 bits; the trace headers are empty."""
    data = np.random.default_rng(0).standard_normal((3, 60_000)).astype(np.float32)
    head = bytearray(b"C".ljust(3600, b"\0"))
    struct.pack_into(">H", head, 3220, 60_000)
    struct.pack_into(">H", head, 3224, 5)
    path = tmp_path / "long.sgy"
    path.write_bytes(
        bytes(head) + b"".join(bytes(240) + row.astype(">f4").tobytes() for row in data)
    )
    with open_file(path, dt=0.002) as reader:
        np.testing.assert_array_equal(next(iter(reader)).data, data)
    with segyio.open(path, ignore_geometry=True) as file:
        np.testing.assert_array_equal(file.trace.raw[:], data)


def test_options_that_do_not_fit_the_format_are_refused(tmp_path):
    path = tmp_path / "a.mseed"
    StreamReader.write_sample(path)
    with pytest.raises(ReadError, match=r"samples and endian overrule the headers of SEG-Y"):
        open_file(path, samples=400)
    with pytest.raises(ReadError, match=r"interval of 0\.01 s, --dt 0\.02 contradicts it"):
        open_file(path, dt=0.02)
    with open_file(path, dt=0.01) as reader:
        assert reader.dt == 0.01
