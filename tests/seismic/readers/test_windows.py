"""Long recordings are read and rewritten in windows along time, and stopped work is resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import dascore as dc
import numpy as np
import pytest
from case_table import table
from halving import Halve

from scionwood import Record, WriteError
from scionwood_seismic.data.normalise import scale
from scionwood_seismic.readers.das import DasReader
from scionwood_seismic.readers.windows import LARGEST, cut


@pytest.fixture
def long() -> np.ndarray:
    """Seven channels of 400 samples."""
    return (np.random.default_rng(0).standard_normal((7, 400)) * 20).astype(np.float32)


class TestCut:
    @table("samples", [1, 100, 101, 188, 189, 1000])
    def test_windows_cover_all_samples_and_share_an_eighth(self, samples):
        windows = cut(3, 5, samples, 100)
        assert (windows[0].first, windows[-1].last, windows[-1].kept) == (0, samples, samples)
        for old, new in pairwise(windows):
            assert old.last - old.first == 100
            assert (new.first, old.last - new.first) == (old.kept, 12)
        assert [window.number for window in windows] == list(range(len(windows)))

    def test_the_default_bounds_the_memory(self):
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


@table("name", FILES)
def test_windows_hold_the_samples_of_the_patch(tmp_path, long, das, name):
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


@table("name", FILES)
def test_a_rewritten_file_has_all_windows(tmp_path, long, das, name):
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


def test_results_are_blended_over_shared_samples(tmp_path, das):
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


def test_unchanged_samples_keep_their_bits(tmp_path, das):
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


def test_all_windows_have_one_unit(tmp_path, long, das):
    long *= np.linspace(1, 50, 400)
    path = das.dasdae(tmp_path / "in.h5", das.patch_of(long))
    with DasReader(path, window=100) as reader:
        (unit,) = {reader.unit(record) for record in reader}
    assert unit == pytest.approx(scale(long), rel=0.3)
    with DasReader(path) as reader:
        assert reader.unit(next(iter(reader))) is None


def test_patches_of_several_lengths_are_written_in_place(tmp_path, long, das):
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

    @table("stop", [0, 1, 3, 4])
    def test_stopped_work_continues_and_gives_the_same_bytes(self, path, tmp_path, stop):
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
        assert sorted(file.name for file in tmp_path.iterdir()) == ["once.h5", "out.h5"]

    def test_other_work_is_refused(self, path, tmp_path):
        with DasReader(path, window=100) as reader, pytest.raises(KeyboardInterrupt):
            reader.rewrite(tmp_path / "out.h5", Halve(2))
        with DasReader(path, window=200) as reader, pytest.raises(WriteError, match="windows"):
            reader.rewrite(tmp_path / "out.h5", Halve(), resume=True)

    @pytest.mark.slow
    def test_a_killed_process_is_resumed(self, path, tmp_path):
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
        inline = os.environ | {"SCIONWOOD_READERS": "inline"}  # another child has its own interval
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=inline)
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
