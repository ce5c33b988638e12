"""Encoded parts on the disk: equal to those in memory, mapped, and written once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import zarr
from case_table import table

from scionwood import ReadError, RecipeError
from scionwood_crash.data.encode import Encoded
from scionwood_crash.data.files import FileParts
from scionwood_crash.data.lazy import Stored
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.parts.resample import resampled
from scionwood_crash.parts.series import to_series
from scionwood_crash.readers import write_series

pytestmark = pytest.mark.usefixtures("inline")


@pytest.fixture(scope="module")
def folder(suite: SuiteParts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs")
    for at, part in enumerate([*suite.parts("train"), *suite.parts("val")][:3]):
        write_series(place / f"run{at}.vtp", to_series(resampled(part, 7)))
    return place


def files(folder: Path, **options: Any) -> FileParts:
    return FileParts(source=str(folder), n_val=0, n_test=0, **{"frames": 4, **options})


def same(one: Encoded, other: Encoded) -> None:
    for name, value in one.graph._asdict().items():
        assert torch.equal(value, getattr(other.graph, name)), name
    torch.testing.assert_close(one.displacement, other.displacement, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(one.plastic_strain, other.plastic_strain)


@table("frames", [4, None])
@table("held", ["field", "still"])
def test_parts_on_the_disk_equal_those_in_memory(folder, tmp_path, frames, held):
    options: dict[str, Any] = {"frames": frames, "held": held}
    eager = files(folder, store="memory", **options)
    lazy = files(folder, store="zarr", cache=tmp_path, **options)
    assert isinstance(lazy.encoded("train"), Stored)
    for one, other in zip(eager.encoded("train"), lazy.encoded("train"), strict=True):
        same(one, other)
    assert lazy.conditions == eager.conditions
    batches = [next(iter(data.loader("train"))) for data in (eager, lazy)]
    assert torch.equal(*(batch["graph"].features for batch in batches))


def test_items_are_mapped_and_changes_stay_in_memory(folder, tmp_path):
    data = files(folder, store="zarr", cache=tmp_path, batch_size=1)
    data.prepare_data()
    stores = sorted(tmp_path.iterdir())
    assert [store.name[:5] for store in stores] == ["run0-", "run1-", "run2-"]
    before = [store.stat().st_mtime_ns for store in stores]
    part = data.encoded("train")[0]
    group = zarr.open_group(stores[0], mode="r")
    assert (group["displacement"][:] == part.displacement.numpy()).all(), "any Zarr reads it"
    part.displacement.zero_()
    assert data.encoded("train")[0].displacement.abs().max() > 0
    assert len(data.encoded("train")[1:]) == 2
    # Another process finds the stores; other options give other ones.
    files(folder, store="zarr", cache=tmp_path).prepare_data()
    assert [store.stat().st_mtime_ns for store in sorted(tmp_path.iterdir())] == before
    files(folder, store="zarr", cache=tmp_path, frames=3).prepare_data()
    assert len(list(tmp_path.iterdir())) == 6


def test_large_parts_go_to_the_disk_by_themselves(folder, monkeypatch):
    assert not files(folder).stored
    monkeypatch.setattr("scionwood_crash.data.files.LARGE", 10_000)
    assert files(folder).stored
    assert not files(folder, coarse="fixed").stored, "fixed grids come from parts in memory"
    with pytest.raises(RecipeError, match="fixed grids"):
        files(folder, coarse="fixed", store="zarr")


def test_damaged_stores_are_named(folder, tmp_path):
    parts = files(folder, store="zarr", cache=tmp_path).encoded("train")
    store = sorted(tmp_path.iterdir())[0]
    chunk = store / "displacement" / "0.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-4])
    with pytest.raises(ReadError, match=r"displacement has .* bytes"):
        parts[0]
    (store / ".zattrs").unlink()
    with pytest.raises(ReadError):
        parts[0]


@pytest.mark.slow
def test_workers_read_the_same_batches(folder, tmp_path):
    options: dict[str, Any] = {"store": "zarr", "cache": tmp_path, "batch_size": 1}
    alone = list(files(folder, **options).loader("train"))
    helped = list(files(folder, workers=2, **options).loader("train"))
    for one, other in zip(alone, helped, strict=True):
        assert torch.equal(one["displacement"], other["displacement"])
