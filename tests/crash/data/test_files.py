"""Parts of the suite, kept in a folder, and parts in the user's own files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from scionwood import ReadError, RecipeError
from scionwood_crash.data.files import FileParts
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.parts.series import to_series
from scionwood_crash.readers import write_series
from scionwood_crash.suite.families import design


@pytest.mark.usefixtures("inline")
def test_files_are_split_by_the_seed(suite, tmp_path):
    every = [*suite.parts("train"), *suite.parts("val")][:5]
    for at, part in enumerate(every):
        write_series(tmp_path / f"{at}.zarr", to_series(part))
    data = FileParts(files=str(tmp_path / "*.zarr"), batch_size=2)
    names = {split: {part.name for part in data.parts(split)} for split in ("train", "val", "test")}
    assert sorted(len(each) for each in names.values()) == [1, 1, len(every) - 2]
    assert len(set.union(*names.values())) == len(every)
    assert len(next(iter(data.train_dataloader()))["graph"].condition) == 2
    with pytest.raises(ReadError, match="none is left to train"):
        FileParts(files=str(tmp_path / "*.pvd")).parts("train")


def test_bad_files_are_skipped_where_the_recipe_says_so(suite, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIONWOOD_READERS", "service")
    every = [*suite.parts("train"), *suite.parts("val")][:4]
    for at, part in enumerate(every):
        write_series(tmp_path / f"{at}.zarr", to_series(part))
    files = [path for path in (tmp_path / "1.zarr").rglob("*") if path.is_file()]
    chunk = max(files, key=lambda path: path.stat().st_size)
    chunk.write_bytes(b"\xff" * 100)
    pattern = str(tmp_path / "*.zarr")
    data = FileParts(files=pattern, on_bad_file="skip")
    names = [part.name for split in ("train", "val", "test") for part in data.parts(split)]
    assert [Path(path).name for path in data.data_files.skipped] == ["1.zarr"]
    assert len(names) == len(every) - 1
    with pytest.raises(ReadError, match=r"1\.zarr"):
        [FileParts(files=pattern).parts(split) for split in ("train", "val", "test")]


def test_a_batch_joins_parts_of_unequal_meshes(batch):
    graph = batch["graph"]
    assert len(graph.condition) == 4
    counts = torch.bincount(graph.batch)
    assert len(counts.unique()) > 1
    assert batch["displacement"].shape == (int(counts.sum()), 3, 3)
    assert batch["plastic_strain"].shape == (len(graph.cells), 3)
    assert not batch["displacement"][:, 0].any()
    assert batch["displacement"][:, -1].abs().max() > 0.005, "half a millimetre at least"


def test_reads_simulations_that_the_folder_holds(suite):
    suite.parts("train")
    sizes = {"n_train": 2, "n_val": 1, "n_test": 1, "element_size": 50.0}
    again = SuiteParts(
        families=["hat", "box"], **sizes, duration=0.5, frames=3, folder=suite.folder
    )
    kept = sorted(path.stat().st_mtime_ns for path in suite.folder.rglob("*.safetensors"))
    for ours, theirs in zip(again.parts("train"), suite.parts("train"), strict=True):
        np.testing.assert_array_equal(ours.displacement, theirs.displacement)
    assert kept == sorted(p.stat().st_mtime_ns for p in suite.folder.rglob("*.safetensors"))


def test_refuses_an_unknown_family():
    with pytest.raises(RecipeError, match="hat, bumper, tube, box"):
        SuiteParts(families=["door"])
    with pytest.raises(RecipeError, match="no family of this name"):
        design("door", 0, 0)
