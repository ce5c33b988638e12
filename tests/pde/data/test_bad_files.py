"""Data sets of which some files cannot be read, or lead to files elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from scionwood import ReadError
from scionwood_pde.data.files import Files
from scionwood_pde.readers.states import from_simulation
from scionwood_pde.readers.write import save_states
from scionwood_pde.solvers import simulate

SECRET = 1234.0


@pytest.fixture(params=["inline", "service"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six files of states; `d` is cut and `e` has a field of another file."""
    if request.param == "service" and sys.platform != "linux":
        pytest.skip("the reader service needs Linux")
    monkeypatch.setenv("SCIONWOOD_READERS", request.param)
    states = from_simulation(
        simulate("burgers", 16, 3, 3, 0.02, 1, torch.Generator().manual_seed(0))
    )
    (tmp_path / "data").mkdir()
    for name in "abcdef":
        save_states(states, tmp_path / "data" / f"{name}.hdf5")
    cut = tmp_path / "data" / "d.hdf5"
    cut.write_bytes(cut.read_bytes()[:-20_000])
    with h5py.File(tmp_path / "data" / "e.hdf5", "r+") as file:
        group, name = _field(file)
        shape, dtype, marks = group[name].shape, group[name].dtype, dict(group[name].attrs)
        with h5py.File(tmp_path / "secret.hdf5", "w") as secret:
            secret["x"] = np.full(shape, SECRET, dtype)
            secret["x"].attrs.update(marks)
        del group[name]
        group[name] = h5py.ExternalLink(str(tmp_path / "secret.hdf5"), "x")
    return tmp_path / "data"


def _field(file: h5py.File) -> tuple[h5py.Group, str]:
    found: list[str] = []
    file.visititems(
        lambda name, item: (
            found.append(name) if isinstance(item, h5py.Dataset) and item.ndim > 3 else None
        )
    )
    place, _, name = found[0].rpartition("/")
    return file[place], name


def test_files_that_are_cut_or_lead_elsewhere_are_skipped(folder):
    data = Files(files=[f"{folder}/*.hdf5"], on_bad_file="skip", measured=0, batch_size=2)
    assert [Path(name).stem for name in data.data_files.skipped] == ["d", "e"]
    assert len(data.sources) == 4
    for split in ("train", "val", "test"):
        for batch in data.loader(split):
            states = data.normaliser.undo(batch["state"])
            assert states.abs().max() < SECRET / 10


def test_no_link_out_of_the_folder_is_read(folder):
    (folder / "d.hdf5").unlink()
    (folder / "e.hdf5").unlink()
    (folder / "c.hdf5").rename(folder.parent / "elsewhere.hdf5")
    (folder / "c.hdf5").symlink_to(folder.parent / "elsewhere.hdf5")
    with pytest.raises(ReadError, match="outside of the folder"):
        Files(files=[f"{folder}/*.hdf5"])
    data = Files(files=[f"{folder}/*.hdf5"], on_bad_file="skip")
    assert [Path(name).stem for name in data.data_files.skipped] == ["c"]
