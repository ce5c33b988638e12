"""DAS files of several interrogators: axes, units, time, and rewritten copies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dascore as dc
import numpy as np
import pytest
from case_table import table

from scionwood import ReadError, Record, WriteError
from scionwood_seismic.readers.das import DasReader
from scionwood_seismic.readers.opening import open_file

SHARED = Path(__file__).parents[4] / "shared/data/seismic"
REAL = ("decimated_optodas.hdf5", "deformation_rate_event_1.hdf5", "silixa_h5_1.hdf5")
NAMES = (
    "DASDAE.h5",
    "DASDAE_time_first.h5",
    "ProdML.h5",
    "ProdML_locus_first.h5",
    "Febus.h5",
    "iDAS.tdms",
)


@table("name", NAMES)
def test_identifies_axes_by_name(tmp_path, data, name, writers):
    path = writers[name](tmp_path / name, data)
    with DasReader(path) as reader:
        assert reader.dims == ("distance", "time")
        assert (reader.traces, reader.vertical) == (7, "time")
        assert reader.dt == pytest.approx(0.004)
        (record,) = reader
    np.testing.assert_array_equal(record.data, data)
    np.testing.assert_allclose(record.coords["time"], 0.004 * np.arange(40))
    np.testing.assert_allclose(np.diff(record.coords["distance"]), 5)


@table("name", NAMES)
def test_a_rewritten_file_has_new_samples_and_the_old_coordinates(tmp_path, data, name, writers):
    path, target = writers[name](tmp_path / name, data), tmp_path / f"out_{name}"
    with DasReader(path) as reader:
        reader.rewrite(target, lambda record: record.data[:, ::-1] * 2)
    before, after = dc.read(path)[0], dc.read(target)[0]
    assert after.coords == before.coords
    assert after.attrs == before.attrs
    assert after.data.dtype == before.data.dtype
    stored = after.transpose("distance", "time").data
    np.testing.assert_array_equal(stored, data[:, ::-1] * 2)


def test_units_are_those_of_the_file(tmp_path, data, das):
    with DasReader(das.dasdae(tmp_path / "a.h5", das.patch_of(data))) as reader:
        assert reader.units == {"distance": "m", "time": "s", "data": "m / s"}


def test_integers_are_rounded_and_clipped_with_a_warning(tmp_path, data, das):
    counts = np.rint(data).astype(np.int16)
    path, target = das.prodml(tmp_path / "in.h5", counts), tmp_path / "out.h5"

    def change(record: Record) -> np.ndarray:
        record.data[0, 0], record.data[1, 1] = 1e6, 2.6
        return record.data

    with (
        DasReader(path) as reader,
        pytest.warns(UserWarning, match="16 bit integers: samples were rounded, 1 clipped"),
    ):
        reader.rewrite(target, change)
    counts[0, 0], counts[1, 1] = 32767, 3
    stored = dc.read(target)[0].transpose("distance", "time").data
    assert stored.dtype == np.int16
    np.testing.assert_array_equal(stored, counts)


def test_patches_are_records_and_are_written_in_place(tmp_path, data, das):
    later = np.datetime64("2020-01-01T01:00:00", "ns")
    patches = [das.patch_of(data), das.patch_of(data, tag="b"), das.patch_of(3 * data, start=later)]
    path, target = das.dasdae(tmp_path / "in.h5", *patches), tmp_path / "out.h5"
    with DasReader(path) as reader:
        assert (len(reader), reader.traces) == (3, 21)
        reader.rewrite(target, lambda record: record.data + int(record.key["patch"]))
        before = [record.data for record in reader]
    with DasReader(target) as reader:
        for i, record in enumerate(reader):
            np.testing.assert_array_equal(record.data, before[i] + i)
    for old, new in zip(dc.read(path), dc.read(target), strict=True):
        assert new.attrs == old.attrs


def test_refuses_an_unwritable_format_before_the_work(tmp_path, data, das):
    path = das.sentek(tmp_path / "Shot_20230328155652124.das", np.tile(data, (3, 1)))
    calls: list[Record] = []
    with DasReader(path) as reader, pytest.raises(WriteError, match="sentek cannot be written"):
        reader.rewrite(tmp_path / "out.das", lambda record: calls.append(record) or record.data)
    assert not calls
    assert not (tmp_path / "out.das").exists()


def test_refuses_to_resume(tmp_path, data, das):
    path = das.dasdae(tmp_path / "in.h5", das.patch_of(data))
    with DasReader(path) as reader, pytest.raises(WriteError, match="cannot be resumed"):
        reader.rewrite(tmp_path / "new.h5", lambda record: record.data, resume=True)


def test_refuses_uneven_time_and_accepts_jitter(tmp_path, data, das):
    jitter = np.random.default_rng(0).integers(-9_000, 9_000, 40)
    for name, shift in {"jitter": jitter, "gap": np.where(np.arange(40) < 20, 0, 10**9)}.items():
        coords = {"distance": np.arange(7) * 5.0, "time": das.times(40) + shift}
        patch = dc.Patch(data=data, coords=coords, dims=("distance", "time"))
        path = das.dasdae(tmp_path / f"{name}.h5", patch)
        if name == "gap":
            with pytest.raises(ReadError, match="not evenly sampled"):
                DasReader(path)
        else:
            assert DasReader(path).dt == pytest.approx(0.004, rel=1e-3)


def test_without_dascore_the_error_names_the_package(tmp_path, data, das):
    path = das.dasdae(tmp_path / "in.h5", das.patch_of(data))
    code = (
        "import sys; sys.modules['dascore'] = None\n"
        "from scionwood_seismic.readers.opening import open_file\n"
        f"from pathlib import Path; open_file(Path({str(path)!r}))"
    )
    inline = os.environ | {"SCIONWOOD_READERS": "inline"}  # a child imports what the test hides
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=inline)
    assert done.returncode == 1
    assert "ReadError" in done.stderr
    assert "pip install dascore h5py" in done.stderr


@table("name", REAL)
def test_reads_and_writes_real_files(tmp_path, name):
    path, target = SHARED / name, tmp_path / name
    if not path.is_file():
        pytest.skip(f"needs the real file {name} in shared/data/seismic")
    with DasReader(path) as reader:
        (record,) = reader
        reader.rewrite(target, lambda record: record.data)
        assert target.read_bytes() == path.read_bytes()
        if "silixa" in name:
            with pytest.warns(UserWarning, match="16 bit integers"):
                reader.rewrite(target, lambda record: record.data[::-1], overwrite=True)
        else:
            reader.rewrite(target, lambda record: record.data[::-1], overwrite=True)
    before, after = dc.read(path)[0], dc.read(target)[0]
    assert (after.coords, after.attrs) == (before.coords, before.attrs)
    with DasReader(target) as reader:
        (restored,) = reader
    np.testing.assert_array_equal(restored.data, record.data[::-1])


def test_a_patch_without_the_axis_that_it_names_is_refused(tmp_path):
    path = tmp_path / "fibre.h5"
    DasReader.write_sample(path)
    whole = path.read_bytes()
    assert whole.count(b"Vmax\np6") == 1  # in the summary of the axis `distance`
    path.write_bytes(whole.replace(b"Vmax\np6", b"Vmaz\np6"))
    for opener in (DasReader, open_file):
        with pytest.raises(ReadError, match=r"not a readable DAS file \(it has no 'distance'\)"):
            opener(path)
