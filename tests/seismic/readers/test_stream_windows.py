"""miniSEED, SEG-2 and SU files are read and rewritten in windows along time."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from case_table import table
from halving import Halve

from scionwood_seismic.readers import miniseed
from scionwood_seismic.readers.sources import obspy
from scionwood_seismic.readers.streams import StreamReader


class TestStreams:
    """miniSEED, SEG-2 and SU in windows, and miniSEED in blocks of records."""

    SAMPLES = 4000

    @pytest.fixture(autouse=True)
    def _small_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(miniseed, "BLOCK", 5000)

    def mseed(self, path: Path, encoding: str) -> np.ndarray:
        """Three channels in four parts, one after another."""
        data = (np.random.default_rng(0).standard_normal((3, self.SAMPLES)) * 1e4).astype(np.int32)
        kind = np.float32 if encoding == "FLOAT32" else np.int32
        header = {"network": "XX", "station": "ABC", "sampling_rate": 500.0}
        with path.open("wb") as file:
            for part in range(4):
                for row, letter in zip(data, "ZNE", strict=True):
                    values = row[1000 * part : 1000 * (part + 1)].astype(kind)
                    start = obspy.UTCDateTime(2020, 1, 1) + 2 * part
                    stats = {**header, "channel": f"HH{letter}", "starttime": start}
                    trace = obspy.Trace(values, stats)
                    trace.write(file, format="MSEED", encoding=encoding, reclen=512)
        return data.astype(np.float32)

    def seg2(self, path: Path) -> np.ndarray:
        data = np.random.default_rng(0).standard_normal((5, self.SAMPLES)).astype("<f4")
        texts = [b"SAMPLE_INTERVAL 0.002", b"DELAY -0.1"]
        notes = b"".join(struct.pack("<H", len(t) + 3) + t + b"\0" for t in texts) + bytes(2)
        notes += bytes(-len(notes) % 4)
        dates = [b"ACQUISITION_DATE 01/01/2020", b"ACQUISITION_TIME 00:00:00"]
        first = b"".join(struct.pack("<H", len(t) + 3) + t + b"\0" for t in dates) + bytes(2)
        head = bytearray(struct.pack("<HHHH", 0x3A55, 1, 20, 5) + b"\1\0\0\1\n\0".ljust(24, b"\0"))
        size, at = 32 + len(notes), 52 + len(first)
        blocks = b""
        for row in data:
            head += struct.pack("<I", at + len(blocks))
            block = struct.pack("<HHIIB", 0x4422, size, row.nbytes, len(row), 4)
            blocks += block.ljust(32, b"\0") + notes + row.tobytes()
        path.write_bytes(bytes(head) + first + blocks)
        return data

    def su(self, path: Path) -> np.ndarray:
        data = np.random.default_rng(0).standard_normal((5, self.SAMPLES)).astype("<f4")
        head = bytearray(240)
        struct.pack_into("<HH", head, 114, self.SAMPLES, 2000)
        path.write_bytes(b"".join(bytes(head) + row.tobytes() for row in data))
        return data

    def file(self, path: Path, name: str) -> np.ndarray:
        if name in ("seg2", "su"):
            return self.seg2(path) if name == "seg2" else self.su(path)
        return self.mseed(path, name)

    @table("name", ["INT32", "STEIM2", "FLOAT32", "seg2", "su"])
    def test_windows_are_read_and_written(self, tmp_path, name):
        path, target = tmp_path / "in", tmp_path / "out"
        data = self.file(path, name)
        with StreamReader(path, window=1000) as reader:
            records = list(reader)
            assert [record.key["window"] for record in records] == list(range(5))
            assert reader.traces_read == 5 * len(data)
            reader.rewrite(target, lambda record: record.data)
            assert target.read_bytes() == path.read_bytes()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # integers are rounded
                reader.rewrite(target, lambda record: -record.data, overwrite=True)
        for record in records:
            first = record.coords["time"][0] - records[0].coords["time"][0]
            at = round(first / reader.dt)
            np.testing.assert_array_equal(record.data, data[:, at : at + record.data.shape[1]])
        with StreamReader(target) as reader:
            (record,) = reader
        np.testing.assert_array_equal(record.data, -data)

    def test_obspy_reads_the_result(self, tmp_path):
        path, target = tmp_path / "in", tmp_path / "out"
        data = self.mseed(path, "FLOAT32")
        with StreamReader(path, window=1000) as reader:
            reader.rewrite(target, lambda record: 2 * record.data)
        before, after = obspy.read(str(path)), obspy.read(str(target))
        assert [t.stats.starttime for t in after] == [t.stats.starttime for t in before]
        np.testing.assert_array_equal([t.data for t in after], 2 * data)

    @pytest.mark.parametrize("name", ["STEIM2", "seg2"])
    def test_stopped_work_is_resumed(self, tmp_path, name):
        path, target = tmp_path / "in", tmp_path / "out"
        self.file(path, name)
        with StreamReader(path, window=1000) as reader, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # integers are rounded
            reader.rewrite(tmp_path / "once", Halve())
            with pytest.raises(KeyboardInterrupt):
                reader.rewrite(target, Halve(3))
            rest = Halve()
            reader.rewrite(target, rest, resume=True)
        assert rest.calls == 3
        assert target.read_bytes() == (tmp_path / "once").read_bytes()

    def test_a_window_knows_its_start(self, tmp_path):
        self.mseed(tmp_path / "in", "INT32")
        with StreamReader(tmp_path / "in", window=1000) as reader:
            assert reader.read(1).key["start"] == "2020-01-01T00:00:01.750000Z"
            assert reader.components == ("Z", "N", "E")
