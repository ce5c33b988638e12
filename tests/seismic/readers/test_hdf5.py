"""HDF5 and TDMS: no code of a file is run, and samples are written to where they were read."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import dascore as dc
import h5py
import nptdms
import numpy as np
import pytest
import tables
from case_table import table

from scionwood import ReadError, WriteError
from scionwood_seismic.readers import tdms
from scionwood_seismic.readers.das import DasReader
from scionwood_seismic.readers.opening import open_file


def test_keeps_the_margins_of_overlapping_blocks(tmp_path, data, das):
    path, target = das.febus(tmp_path / "in.h5", data), tmp_path / "out.h5"
    with DasReader(path) as reader:
        reader.rewrite(target, lambda record: record.data + 1)
    with h5py.File(target) as file:
        stored = file["fa1/Source1/Zone1/StrainRate"][()]
    assert (stored[:, :2] == -1).all()
    assert (stored[:, 7:] == -1).all()


def test_stored_counts_are_scaled_back(tmp_path, data, das):
    path, target = das.optodas(tmp_path / "in.h5", data, 0.0625), tmp_path / "out.h5"
    with (
        DasReader(path) as reader,
        pytest.warns(UserWarning, match="32 bit integers: samples were rounded, 0 clipped"),
    ):
        reader.rewrite(target, lambda record: 2 * record.data)
    before, after = dc.read(path)[0].data, dc.read(target)[0].data
    np.testing.assert_array_equal(after, 2 * before)


def test_refuses_a_view_of_another_file(tmp_path, data, das):
    """Writing to a virtual dataset would change the file behind it."""
    path = das.prodml(tmp_path / "in.h5", data)
    with h5py.File(tmp_path / "behind.h5", "w") as file:
        file["samples"] = data.T
    layout = h5py.VirtualLayout(data.T.shape, np.float32)
    layout[:] = h5py.VirtualSource(str(tmp_path / "behind.h5"), "samples", data.T.shape)
    with h5py.File(path, "r+") as file:
        raw = file["Acquisition/Raw[0]"]
        del raw["RawData"]
        raw.create_virtual_dataset("RawData", layout).attrs["Dimensions"] = "time, locus"
    with pytest.raises(ReadError, match="is stored in other files"):
        DasReader(path)
    with h5py.File(tmp_path / "behind.h5") as file:
        np.testing.assert_array_equal(file["samples"][()], data.T)


def test_refuses_two_datasets_that_could_be_the_patch(tmp_path, data, das):
    path = das.prodml(tmp_path / "in.h5", data)
    with h5py.File(path, "r+") as file:
        file["Acquisition/copy"] = data.T
    with DasReader(path) as reader, pytest.raises(WriteError, match="which one is the data"):
        reader.rewrite(tmp_path / "out.h5", lambda record: record.data)


class _Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


def test_refuses_text_that_other_programs_would_unpickle_in_a_second_way(tmp_path, data, das):
    path = das.dasdae(tmp_path / "in.h5", das.patch_of(data))
    evil = pickle.dumps(_Evil(tmp_path / "mark"), 0)
    for pickled in (b"S'caf\xe9'\n0c" + evil[1:], evil[:-1] + b"0\xff\xff."):
        with h5py.File(path, "r+") as file:
            (group,) = file["waveforms"].values()
            group.attrs.create("_attrs_tag", pickled, dtype=f"S{len(pickled)}")
        with pytest.raises(ReadError, match="attribute _attrs_tag of"):
            DasReader(path)
    assert not (tmp_path / "mark").exists()


def test_a_class_of_a_type_that_killed_pytables_is_read(tmp_path):
    path = tmp_path / "in.h5"
    DasReader.write_sample(path)
    whole = path.read_bytes()
    assert whole.count(b"CLASS\0\0\0\x13")
    path.write_bytes(whole.replace(b"CLASS\0\0\0\x13", b"CLASS\0\0\0\x53", 1))
    with DasReader(path) as reader:
        assert reader.read(0).data.shape == (12, 64)


def test_refuses_pickled_objects_in_a_dataset(tmp_path, data, das):
    path = das.dasdae(tmp_path / "in.h5", das.patch_of(data))
    with tables.open_file(path, "a") as file:
        file.create_vlarray("/", "notes", tables.ObjectAtom()).append({"an": "object"})
    with pytest.raises(ReadError, match="notes holds pickled objects"):
        DasReader(path)


def test_refuses_a_pickled_patch_without_running_it(tmp_path, data):
    path, mark = tmp_path / "patch.pkl", tmp_path / "mark"
    path.write_bytes(b"(S'dascore.core Patch'\n" + pickle.dumps(_Evil(mark), 0))
    with pytest.raises(ReadError, match="pickled DAS patch"):
        DasReader(path)
    assert not mark.exists()


def test_accepts_a_history_of_processing(tmp_path, data, das):
    patch = das.patch_of(data).detrend("time").update_attrs(instrument_id="Full stop.")
    with DasReader(das.dasdae(tmp_path / "in.h5", patch)) as reader:
        assert len(reader) == 1


def test_tdms_keeps_every_byte_except_the_samples(tmp_path, data, das):
    path, target = das.tdms(tmp_path / "in.tdms", data), tmp_path / "out.tdms"
    with DasReader(path) as reader:
        reader.rewrite(target, lambda record: -record.data)
    before, after = path.read_bytes(), target.read_bytes()
    assert after[: -data.nbytes] == before[: -data.nbytes]
    assert after[-data.nbytes :] == (-data).T.tobytes()


def test_locates_channels_that_are_not_interleaved(tmp_path, data):
    """DASCore does not read such a file completely, but the layout locates its samples."""
    path = tmp_path / "in.tdms"
    with nptdms.TdmsWriter(str(path)) as writer:
        for part in (data[:, :25], data[:, 25:]):
            writer.write_segment(
                [nptdms.ChannelObject("Measurement", str(i), row) for i, row in enumerate(part)]
            )
    layout = tdms.find(path, data, 1)
    changed = np.zeros(data.shape, bool)
    changed[3, 20:30] = True
    assert tdms.overwrite(path, layout, -data, changed, 1) == 0
    with nptdms.TdmsFile.open(str(path)) as file:
        stored = np.stack([channel[:] for channel in file["Measurement"].channels()])
    np.testing.assert_array_equal(stored, np.where(changed, -data, data))


def test_refuses_samples_that_differ_from_the_patch(tmp_path, data, das):
    path = das.tdms(tmp_path / "in.tdms", data)
    with pytest.raises(WriteError, match="TDMS that cannot be written"):
        tdms.find(path, data + 1, 1)


def test_the_sample_is_read_and_locates_its_samples(tmp_path):
    for suffix in (".tdms", ".h5"):
        DasReader.write_sample(tmp_path / f"a{suffix}")
    with DasReader(tmp_path / "a.tdms") as reader, DasReader(tmp_path / "a.h5") as other:
        (record,), (same,) = reader, other
        np.testing.assert_array_equal(record.data, same.data)
        assert reader.dt == other.dt
        reader.rewrite(tmp_path / "b.tdms", lambda record: -record.data)
    with DasReader(tmp_path / "b.tdms") as reader:
        np.testing.assert_array_equal(next(iter(reader)).data, -record.data)


SECRET = np.arange(12 * 64, dtype=np.float32).reshape(12, 64) + 0.5


@table("way", ["raw", "virtual", "virtual, source missing", "link"])
def test_samples_that_lie_in_another_file_are_refused(tmp_path, way):
    path, secret = tmp_path / "fibre.h5", tmp_path / "elsewhere"
    DasReader.write_sample(path)
    with h5py.File(path) as file:
        name = next(n for n in _datasets(file) if file[n].shape == SECRET.shape)
    with h5py.File(path, "r+") as file:
        attributes = dict(file[name].attrs)
        del file[name]
        if way == "raw":
            secret.write_bytes(SECRET.tobytes())
            file.create_dataset(name, SECRET.shape, "f4", external=[(str(secret), 0, 12 * 64 * 4)])
        else:
            if way != "virtual, source missing":
                with h5py.File(secret, "w") as other:
                    other["x"] = SECRET
            layout = h5py.VirtualLayout(SECRET.shape, "f4")
            layout[:] = h5py.VirtualSource(str(secret), "x", SECRET.shape)
            if way == "link":
                file[name] = h5py.ExternalLink(str(secret), "/x")
            else:
                file.create_virtual_dataset(name, layout)
        if way != "link":
            file[name].attrs.update(attributes)
    for opener in (DasReader, open_file):
        with pytest.raises(ReadError, match=r"fibre\.h5: HDF5: .*file.*Copy the data into one"):
            opener(path)


def _datasets(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda n, item: names.append(n) if isinstance(item, h5py.Dataset) else None)
    return names
