"""Data of the field recipes: seeds, splits, real noise, and the files of a user."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from case_table import table
from torch import Tensor

from scionwood import ReadError, RecipeError
from scionwood_seismic import simulate
from scionwood_seismic.data.field import FieldCrops
from scionwood_seismic.data.noise import FieldNoise
from scionwood_seismic.data.noise_files import canonical_noise, read_noise
from scionwood_seismic.data.pairs import FieldPairs
from scionwood_seismic.data.station import StationRecords

SMALL = {"n_traces": 32, "n_samples": 48, "batch_size": 4}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """SEG-Y files of eight noisy gathers, which begin with 0.3 s of noise, and without noise."""
    noisy, clean = tmp_path / "noisy.sgy", tmp_path / "clean.sgy"
    simulate(noisy, clean, n=8, n_traces=24, n_samples=400, noise="white", snr=0.0, quiet=0.3)
    return noisy, clean


def rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def test_a_sample_depends_on_seed_split_and_index_alone():
    first, again = FieldCrops(seed=1), FieldCrops(seed=1)
    early = first.sample("train", 50)
    for index in range(20):
        again.sample("train", index)
    late = again.sample("train", 50)
    assert all(torch.equal(early[name], late[name]) for name in early)
    for other in (first.sample("test", 50), FieldCrops(seed=2).sample("train", 50)):
        assert not torch.equal(other["noisy"], early["noisy"])


def test_slices_beside_a_record_share_its_signal_and_not_its_noise():
    kinds = ("plane", "hyperbola", "layers")
    data = FieldCrops(**SMALL, signals=kinds, neighbours=2, alone_share=0.3, kept=20)
    samples = [data.sample("train", index) for index in range(80)]
    assert all(s["beside"].shape == (4, 32, 48) for s in samples)
    assert all(not (s["beside"] * (1 - s["mask"])).any() for s in samples)
    stands = [torch.equal(s["beside"][k], s["beside"][k + 2]) for s in samples for k in (0, 1)]
    noisy = [s for s in samples if rms(s["noisy"] - s["clean"]) > 0.5]
    alone = [torch.equal(s["beside"][k], s["noisy"][0]) for s in noisy for k in range(4)]
    assert np.mean(alone) == pytest.approx(0.3, abs=0.15)
    assert 0 < np.mean(stands) < 1
    assert next(iter(data.loader("train")))["beside"].shape == (4, 4, 32, 48)
    with pytest.raises(RecipeError, match="signals"):
        FieldCrops(neighbours=1)


def test_shares_of_clean_told_and_small_records():
    data = FieldCrops(n_traces=32, n_samples=48, kept=50)
    samples = [data.sample("train", index) for index in range(600)]
    clean = np.mean([torch.equal(s["noisy"], s["clean"]) for s in samples])
    told = np.mean([s["level"].item() > 0 for s in samples])
    few = np.mean([not s["mask"].all() for s in samples])
    assert clean == pytest.approx(0.12, abs=0.05)
    assert told == pytest.approx(0.5, abs=0.07)
    assert few == pytest.approx(0.35, abs=0.07)
    assert all(not (s["noisy"] * (1 - s["mask"])).any() for s in samples)
    for s in samples:
        if s["level"] > 0.05:
            added = (s["noisy"] - s["clean"])[s["mask"] > 0]
            assert float(s["level"]) / (rms(added) + 1e-9) == pytest.approx(1, abs=0.9)


def test_the_unit_is_that_of_the_clean_or_of_the_noisy_record():
    for unit, name in (("clean", "clean"), ("noisy", "noisy")):
        sample = FieldCrops(unit=unit).sample("train", 5)
        assert rms(sample[name][sample["mask"] > 0]) == pytest.approx(1, rel=1e-3)


def test_real_noise_comes_from_arrays(tmp_path):
    comb = np.zeros((40, 300), np.float32)
    comb[:, ::10] = 1.0
    np.save(tmp_path / "comb.npy", comb)
    data = FieldCrops(noise_files=str(tmp_path), noise_share=1.0, lowest_snr=-60, highest_snr=-60)
    data.setup("fit")
    peaked = [data.sample("val", i)["noisy"].abs().flatten() for i in range(12)]
    assert np.mean([float(x.max() / x.mean()) for x in peaked]) > 5


def test_bad_options_and_files_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="signals: wave"):
        FieldCrops(signals=["wave"])
    with pytest.raises(RecipeError, match=r"told_share 1\.5"):
        FieldCrops(told_share=1.5)
    np.save(tmp_path / "cube.npy", np.zeros((2, 3, 4)))
    with pytest.raises(ReadError, match="trace, time"):
        FieldCrops(noise_files=str(tmp_path / "cube.npy")).setup("fit")
    with pytest.raises(ReadError, match="no seismic file"):
        FieldCrops(noise_files=str(tmp_path / "nothing")).setup("fit")
    with pytest.raises(RecipeError, match=r"data\.path none"):
        FieldNoise().setup("fit")
    with pytest.raises(RecipeError, match=r"data\.noisy none"):
        FieldPairs().setup("fit")
    with pytest.raises(RecipeError, match="a later end"):
        FieldNoise(window=(0.2, 0.1))


def test_noise_is_cut_from_the_window_of_seismic_files(files):
    noisy, clean = files
    records = read_noise(str(noisy), (0.0, 0.3))
    assert {r.shape[1] for r in records} == {150}
    assert sum(len(r) for r in records) == 8 * 24
    assert all(np.median(np.sqrt(np.square(r).mean(axis=1))) == pytest.approx(1) for r in records)
    with pytest.raises(ReadError, match="traces of 0 samples"):
        read_noise(str(clean), (0.0, 0.001))
    with pytest.raises(ReadError, match="cannot be split"):
        FieldNoise(path=str(noisy), window=(0.03, 0.1), **SMALL).setup("fit")


@pytest.mark.parametrize("window", [(0.0, 0.3), None])
def test_noise_of_a_users_files_is_at_the_canonical_sampling(files, window):
    data = FieldNoise(path=str(files[0]), window=window, noise_share=1.0, n_val=4, **SMALL)
    data.setup("fit")
    spans = [data.windows[split].records[0].shape[1] for split in ("train", "val", "test")]
    assert spans[0] > 3 * spans[1] > 0
    batch = next(iter(data.train_dataloader()))
    assert batch["noisy"].shape == (4, 1, 32, 48)
    one, again = (data.sample("val", 3) for _ in range(2))
    assert all(torch.equal(one[name], again[name]) for name in one)


def test_pairs_of_a_user_are_crops_of_the_same_place(files):
    noisy, clean = map(str, files)
    data = FieldPairs(noisy=noisy, clean=clean, gather="fldr", told_share=1.0, n_val=4, **SMALL)
    data.setup("fit")
    assert len(data.places) == 8
    batch = next(iter(data.train_dataloader()))
    assert batch["noisy"].shape == batch["clean"].shape == (4, 1, 32, 48)
    assert not batch["mask"][:, :, 24:].any()
    assert batch["mask"][:, :, :24].all()
    for noisy_one, clean_one, level in zip(
        batch["noisy"], batch["clean"], batch["level"], strict=True
    ):
        quiet = not clean_one.any()
        assert rms((noisy_one if quiet else clean_one)[:, :24]) == pytest.approx(1, rel=1e-3)
        assert float(level) == pytest.approx(rms((noisy_one - clean_one)[:, :24]), rel=1.0)
    together = torch.stack([batch[name].flatten() for name in ("noisy", "clean")])
    assert torch.corrcoef(together)[0, 1] > 0.2


def test_whole_records_are_split_if_there_are_enough(files):
    data = FieldPairs(noisy=str(files[0]), clean=str(files[1]), gather="fldr", **SMALL)
    seen: dict[str, set[int]] = {"train": set(), "val": set(), "test": set()}
    read = data.record
    for split, indices in seen.items():
        data.record = lambda i, own=indices: own.add(i) or read(i)
        for index in range(30):
            data.sample(split, index)
    assert seen["train"] == set(range(6))
    assert not seen["train"] & seen["val"] | seen["val"] & seen["test"]
    assert all(seen.values())


def test_files_that_do_not_belong_together_are_refused(files, tmp_path):
    other, unused = tmp_path / "other.sgy", tmp_path / "unused.sgy"
    simulate(other, unused, n=8, n_traces=20, n_samples=400)
    data = FieldPairs(noisy=str(files[0]), clean=str(other), gather="fldr", **SMALL)
    with pytest.raises(ReadError, match=r"its record \d is"):
        data.sample("val", 0)
    one_more = FieldPairs(noisy=str(tmp_path / "*.sgy"), clean=str(other), **SMALL)
    with pytest.raises(ReadError, match="noisy files belong to 1"):
        one_more.setup("fit")


@table("file", ["viking_small.segy", "silixa_h5_1.hdf5", "geofon_9N_HSF.mseed"])
@pytest.mark.filterwarnings("ignore:.*which was believed")
def test_noise_is_cut_from_field_records(file):
    folder = os.environ.get("SCIONWOOD_FIELD_DATA")
    if not folder:
        pytest.skip("SCIONWOOD_FIELD_DATA does not name a folder of field records")
    records = canonical_noise(str(Path(folder) / file), None, "das")
    assert all(np.isfinite(record).all() and record.shape[1] >= 32 for record in records)
    data = FieldNoise(path=str(Path(folder) / file), domain="das", noise_share=1.0, **SMALL)
    if min(record.shape[1] for record in records) >= 60:
        assert next(iter(data.train_dataloader()))["noisy"].isfinite().all()


def test_station_records_have_one_or_three_components():
    data = StationRecords(n_samples=256, single_share=0.5)
    samples = [data.sample("train", i) for i in range(60)]
    counts = {int(s["mask"].amax(-1).sum()) for s in samples}
    assert counts == {1, 3}
    assert all(s["noisy"].shape == (1, 3, 256) for s in samples)
    again = StationRecords(n_samples=256, single_share=0.5).sample("train", 7)
    assert torch.equal(again["noisy"], samples[7]["noisy"])
