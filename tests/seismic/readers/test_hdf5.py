"""HDF5: no code of a file is run, and samples are written to where they were read."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from types import SimpleNamespace

import dascore as dc
import h5py
import numpy as np
import pytest
import tables

from scionwood import ReadError, WriteError
from scionwood_seismic.readers.das import DasReader


def test_keeps_the_margins_of_overlapping_blocks(
    tmp_path: Path, data: np.ndarray, das: SimpleNamespace
) -> None:
    path, target = das.febus(tmp_path / "in.h5", data), tmp_path / "out.h5"
    with DasReader(path) as reader:
        reader.rewrite(target, lambda record: record.data + 1)
    with h5py.File(target) as file:
        stored = file["fa1/Source1/Zone1/StrainRate"][()]
    assert (stored[:, :2] == -1).all()
    assert (stored[:, 7:] == -1).all()


def test_stored_counts_are_scaled_back(
    tmp_path: Path, data: np.ndarray, das: SimpleNamespace
) -> None:
    path, target = das.optodas(tmp_path / "in.h5", data, 0.0625), tmp_path / "out.h5"
    with (
        DasReader(path) as reader,
        pytest.warns(UserWarning, match="32 bit integers: samples were rounded, 0 clipped"),
    ):
        reader.rewrite(target, lambda record: 2 * record.data)
    before, after = dc.read(path)[0].data, dc.read(target)[0].data
    np.testing.assert_array_equal(after, 2 * before)


def test_refuses_a_view_of_another_file(
    tmp_path: Path, data: np.ndarray, das: SimpleNamespace
) -> None:
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


def test_refuses_two_datasets_that_could_be_the_patch(
    tmp_path: Path, data: np.ndarray, das: SimpleNamespace
) -> None:
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


def test_refuses_text_that_other_programs_would_unpickle_in_a_second_way(
    tmp_path: Path, data: np.ndarray, das: SimpleNamespace
) -> None:
    path = das.dasdae(tmp_path / "in.h5", das.patch_of(data))
    evil = pickle.dumps(_Evil(tmp_path / "mark"), 0)
    for pickled in (b"S'caf\xe9'\n0c" + evil[1:], evil[:-1] + b"0\xff\xff."):
        with h5py.File(path, "r+") as file:
            (group,) = file["waveforms"].values()
            group.attrs.create("_attrs_tag", pickled, dtype=f"S{len(pickled)}")
        with pytest.raises(ReadError, match="attribute _attrs_tag of"):
            DasReader(path)
    assert not (tmp_path / "mark").exists()


def test_a_class_of_a_type_that_killed_pytables_is_read(tmp_path: Path) -> None:
    path = tmp_path / "in.h5"
    DasReader.write_sample(path)
    whole = path.read_bytes()
    assert whole.count(b"CLASS\0\0\0\x13")
    path.write_bytes(whole.replace(b"CLASS\0\0\0\x13", b"CLASS\0\0\0\x53", 1))
    with DasReader(path) as reader:
        assert reader.read(0).data.shape == (12, 64)


def test_refuses_pickled_objects_in_a_dataset(
    tmp_path: Path, data: np.ndarray, das: SimpleNamespace
) -> None:
    path = das.dasdae(tmp_path / "in.h5", das.patch_of(data))
    with tables.open_file(path, "a") as file:
        file.create_vlarray("/", "notes", tables.ObjectAtom()).append({"an": "object"})
    with pytest.raises(ReadError, match="notes holds pickled objects"):
        DasReader(path)


def test_refuses_a_pickled_patch_without_running_it(tmp_path: Path, data: np.ndarray) -> None:
    path, mark = tmp_path / "patch.pkl", tmp_path / "mark"
    path.write_bytes(b"(S'dascore.core Patch'\n" + pickle.dumps(_Evil(mark), 0))
    with pytest.raises(ReadError, match="pickled DAS patch"):
        DasReader(path)
    assert not mark.exists()


def test_accepts_a_history_of_processing(
    tmp_path: Path, data: np.ndarray, das: SimpleNamespace
) -> None:
    patch = das.patch_of(data).detrend("time").update_attrs(instrument_id="Full stop.")
    with DasReader(das.dasdae(tmp_path / "in.h5", patch)) as reader:
        assert len(reader) == 1
