"""Long recordings are read and rewritten in windows along time, and stopped work is resumed."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import warnings
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import dascore as dc
import h5py
import numpy as np
import pytest

from scionwood import Record, WriteError
from scionwood_seismic.data.normalise import scale
from scionwood_seismic.readers import miniseed
from scionwood_seismic.readers.das import DasReader
from scionwood_seismic.readers.sources import obspy
from scionwood_seismic.readers.streams import StreamReader
from scionwood_seismic.readers.windows import LARGEST, cut


class Halve:
    """Halve the samples; stop before a number of records."""

    identity: Mapping[str, object] = {"factor": 0.5}

    def __init__(self, stop: int = -1) -> None:
        self.stop, self.calls = stop, 0

    def __call__(self, record: Record) -> np.ndarray:
        if self.calls == self.stop:
            raise KeyboardInterrupt
        self.calls += 1
        return record.data / 2


@pytest.fixture
def long() -> np.ndarray:
    """Seven channels of 400 samples."""
    return (np.random.default_rng(0).standard_normal((7, 400)) * 20).astype(np.float32)


class TestCut:
    @pytest.mark.parametrize("samples", [1, 100, 101, 188, 189, 1000])
    def test_windows_cover_all_samples_and_share_an_eighth(self, samples: int) -> None:
        windows = cut(3, 5, samples, 100)
        assert (windows[0].first, windows[-1].last, windows[-1].kept) == (0, samples, samples)
        for old, new in pairwise(windows):
            assert old.last - old.first == 100
            assert (new.first, old.last - new.first) == (old.kept, 12)
        assert [window.number for window in windows] == list(range(len(windows)))

    def test_the_default_bounds_the_memory(self) -> None:
        assert len(cut(0, 1000, LARGEST // 1000)) == 1
        window = cut(0, 1000, 10**6)[0]
        assert (window.last - window.first) * 1000 <= LARGEST
        assert cut(0, 10**6, 10**6)[0].last == 1024


FILES = ("dasdae", "prodml", "locus first", "optodas")


def write(das: SimpleNamespace, path: Path, name: str, data: np.ndarray) -> Path:
    if name == "dasdae":
        return Path(das.dasdae(path, das.patch_of(data)))
    if name == "optodas":
        return Path(das.optodas(path, data, 1e-3))
    return Path(das.prodml(path, data, "locus, time" if "locus" in name else "time, locus"))


@pytest.mark.parametrize("name", FILES)
def test_windows_hold_the_samples_of_the_patch(
    tmp_path: Path, long: np.ndarray, das: SimpleNamespace, name: str
) -> None:
    path = write(das, tmp_path / "in.h5", name, long)
    with DasReader(path) as reader:
        (whole,) = reader
    with DasReader(path, window=100) as reader:
        records = list(reader)
        assert (len(reader), reader.traces, reader.traces_read) == (5, 7, 35)
        assert reader.dt == pytest.approx(0.004)
    assert [record.key["window"] for record in records] == list(range(5))
    assert [record.data.shape for record in records] == [(7, 100)] * 4 + [(7, 48)]
    for record in records:
        first = round(record.coords["time"][0] / 0.004)
        span = slice(first, first + record.data.shape[1])
        np.testing.assert_array_equal(record.data, whole.data[:, span])
        np.testing.assert_allclose(record.coords["time"], whole.coords["time"][span])
        np.testing.assert_array_equal(record.coords["distance"], whole.coords["distance"])
    since = np.datetime64(records[2].key["start"]) - np.datetime64(whole.key["start"])
    assert since / np.timedelta64(1, "ms") == pytest.approx(4 * 176)


@pytest.mark.parametrize("name", FILES)
def test_a_rewritten_file_has_all_windows(
    tmp_path: Path, long: np.ndarray, das: SimpleNamespace, name: str
) -> None:
    path, target = write(das, tmp_path / "in.h5", name, long), tmp_path / "out.h5"
    with DasReader(path, window=100) as reader:
        reader.rewrite(target, lambda record: record.data)
        assert target.read_bytes() == path.read_bytes()
        if name == "optodas":
            with pytest.warns(UserWarning, match="32 bit integers"):
                reader.rewrite(target, lambda record: record.data * 2, overwrite=True)
        else:
            reader.rewrite(target, lambda record: record.data * 2, overwrite=True)
    before, after = dc.read(path)[0], dc.read(target)[0]
    assert (after.coords, after.attrs) == (before.coords, before.attrs)
    np.testing.assert_allclose(after.data, before.data * 2, atol=1e-3 * (name == "optodas"))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.h5", "out.h5"]


def test_results_are_blended_over_shared_samples(tmp_path: Path, das: SimpleNamespace) -> None:
    path = das.dasdae(tmp_path / "in.h5", das.patch_of(np.full((3, 400), 9.0, np.float32)))
    with DasReader(path, window=100) as reader:
        reader.rewrite(
            tmp_path / "out.h5",
            lambda record: np.full_like(record.data, int(record.key["window"])),
        )
    level = dc.read(tmp_path / "out.h5")[0].transpose("distance", "time").data[1]
    assert level[:88].max() == 0
    assert (level[100:176] == 1).all()
    assert (np.diff(level) >= 0).all()
    assert np.diff(level).max() < 0.2


def test_unchanged_samples_keep_their_bits(tmp_path: Path, das: SimpleNamespace) -> None:
    fine = 1 + np.random.default_rng(0).random((3, 400)) * 1e-12  # float32 cannot represent them
    fine[0, 7] = np.nan
    path = das.dasdae(tmp_path / "in.h5", das.patch_of(fine.copy()))

    def change_one(record: Record) -> np.ndarray:
        if record.key["window"] == 2:
            record.data[1, 40] = 5
        return record.data

    with DasReader(path, window=100) as reader:
        reader.rewrite(tmp_path / "out.h5", change_one)
    fine[1, 176 + 40] = 5
    assert dc.read(tmp_path / "out.h5")[0].data.tobytes() == fine.tobytes()


def test_all_windows_have_one_unit(tmp_path: Path, long: np.ndarray, das: SimpleNamespace) -> None:
    long *= np.linspace(1, 50, 400)
    path = das.dasdae(tmp_path / "in.h5", das.patch_of(long))
    with DasReader(path, window=100) as reader:
        (unit,) = {reader.unit(record) for record in reader}
    assert unit == pytest.approx(scale(long), rel=0.3)
    with DasReader(path) as reader:
        assert reader.unit(next(iter(reader))) is None


def test_patches_of_several_lengths_are_written_in_place(
    tmp_path: Path, long: np.ndarray, das: SimpleNamespace
) -> None:
    later = np.datetime64("2020-01-01T01:00:00", "ns")
    patches = [das.patch_of(long), das.patch_of(long[:, :40], start=later)]
    path = das.dasdae(tmp_path / "in.h5", *patches)
    with DasReader(path, window=100) as reader:
        assert [record.key["patch"] for record in reader] == [0] * 5 + [1]
        reader.rewrite(tmp_path / "out.h5", lambda record: -record.data)
    for old, new in zip(dc.read(path), dc.read(tmp_path / "out.h5"), strict=True):
        np.testing.assert_array_equal(new.data, -old.data)


class TestResume:
    @pytest.fixture
    def path(self, tmp_path: Path, long: np.ndarray, das: SimpleNamespace) -> Path:
        return Path(das.dasdae(tmp_path / "in.h5", das.patch_of(long)))

    @pytest.mark.parametrize("stop", [0, 1, 3, 4])
    def test_stopped_work_continues_and_gives_the_same_bytes(
        self, path: Path, tmp_path: Path, stop: int
    ) -> None:
        target = tmp_path / "out.h5"
        with DasReader(path, window=100) as reader:
            reader.rewrite(tmp_path / "once.h5", Halve())
            with pytest.raises(KeyboardInterrupt):
                reader.rewrite(target, Halve(stop))
            assert not target.exists()
            with pytest.raises(WriteError, match="--resume continues it"):
                reader.rewrite(target, Halve())
            rest = Halve()
            reader.rewrite(target, rest, resume=True)
        assert rest.calls == 5 - stop + (stop > 0)  # the blend needs the window before
        assert target.read_bytes() == (tmp_path / "once.h5").read_bytes()
        assert sorted(file.name for file in tmp_path.iterdir()) == ["in.h5", "once.h5", "out.h5"]

    def test_other_work_is_refused(self, path: Path, tmp_path: Path) -> None:
        with DasReader(path, window=100) as reader, pytest.raises(KeyboardInterrupt):
            reader.rewrite(tmp_path / "out.h5", Halve(2))
        with DasReader(path, window=200) as reader, pytest.raises(WriteError, match="windows"):
            reader.rewrite(tmp_path / "out.h5", Halve(), resume=True)

    @pytest.mark.slow
    def test_a_killed_process_is_resumed(self, path: Path, tmp_path: Path) -> None:
        code = (
            "import sys, time, numpy as np\n"
            "from pathlib import Path\n"
            "from scionwood_seismic.readers import partial\n"
            "from scionwood_seismic.readers.das import DasReader\n"
            "partial.INTERVAL = 0\n"
            "class Slow:\n"
            "    identity = {'factor': 0.5}\n"
            "    calls = 0\n"
            "    def __call__(self, record):\n"
            "        self.calls += 1\n"
            "        if self.calls == 4:\n"
            "            print('three', flush=True)\n"
            "            time.sleep(60)\n"
            "        return record.data / 2\n"
            "DasReader(sys.argv[1], window=100).rewrite(sys.argv[2], Slow())\n"
        )
        target = tmp_path / "out.h5"
        command = [sys.executable, "-c", code, str(path), str(target)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"three\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert not target.exists()
        rest = Halve()
        with DasReader(path, window=100) as reader:
            reader.rewrite(target, rest, resume=True)
            reader.rewrite(tmp_path / "once.h5", Halve())
        assert rest.calls == 3
        assert target.read_bytes() == (tmp_path / "once.h5").read_bytes()


@pytest.mark.slow
def test_reading_and_rewriting_200_mb_takes_less_than_300(
    tmp_path: Path, das: SimpleNamespace
) -> None:
    data = np.random.default_rng(0).standard_normal((1000, 50_000), np.float32)
    path = das.dasdae(tmp_path / "in.h5", das.patch_of(data))
    code = (
        "import sys, resource, dascore, h5py, scipy\n"
        "from scionwood_seismic.readers.das import DasReader\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak()\n"
        "reader = DasReader(sys.argv[1])\n"
        "reader.rewrite(sys.argv[2], lambda record: record.data / 2)\n"
        "print(peak() - before)\n"
    )
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "out.h5")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 300
    with h5py.File(tmp_path / "out.h5") as file:
        (group,) = file["waveforms"].values()
        np.testing.assert_array_equal(group["data"][::100], data[::100] / 2)


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

    @pytest.mark.parametrize("name", ["INT32", "STEIM2", "FLOAT32", "seg2", "su"])
    def test_windows_are_read_and_written(self, tmp_path: Path, name: str) -> None:
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

    def test_obspy_reads_the_result(self, tmp_path: Path) -> None:
        path, target = tmp_path / "in", tmp_path / "out"
        data = self.mseed(path, "FLOAT32")
        with StreamReader(path, window=1000) as reader:
            reader.rewrite(target, lambda record: 2 * record.data)
        before, after = obspy.read(str(path)), obspy.read(str(target))
        assert [t.stats.starttime for t in after] == [t.stats.starttime for t in before]
        np.testing.assert_array_equal([t.data for t in after], 2 * data)

    @pytest.mark.parametrize("name", ["STEIM2", "seg2"])
    def test_stopped_work_is_resumed(self, tmp_path: Path, name: str) -> None:
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

    def test_a_window_knows_its_start(self, tmp_path: Path) -> None:
        self.mseed(tmp_path / "in", "INT32")
        with StreamReader(tmp_path / "in", window=1000) as reader:
            assert reader.read(1).key["start"] == "2020-01-01T00:00:01.750000Z"
            assert reader.components == ("Z", "N", "E")
