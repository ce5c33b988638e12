from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from case_table import table

from scionwood import ReadError, RecipeError
from scionwood_seismic.data.normalise import scale
from scionwood_seismic.data.survey import Survey
from scionwood_seismic.data.survey_source import Recent, find_files
from scionwood_seismic.readers.create import write_segy

DT = 0.004


@pytest.fixture
def gathers() -> np.ndarray:
    """Eight gathers of 12 traces and 48 samples, with amplitudes of instrument counts."""
    return (np.random.default_rng(0).standard_normal((8, 12, 48)) * 50).astype(np.float32)


@pytest.fixture
def survey(tmp_path: Path, gathers: np.ndarray) -> Path:
    path = tmp_path / "survey.sgy"
    write_segy(path, gathers, dt=DT)
    return path


def data(path: Path | str = "simulated", **options: object) -> Survey:
    small = {"n_traces": 8, "n_samples": 24, "batch_size": 4, "n_train": 24, "n_val": 4}
    return Survey(path=str(path), **{**small, "n_test": 4, **options})


def batches(survey: Survey, split: str = "train", key: str = "noisy") -> torch.Tensor:
    return torch.cat([batch[key] for batch in getattr(survey, f"{split}_dataloader")()])


def origin(patch: torch.Tensor, gathers: np.ndarray) -> tuple[int, int, int]:
    """Return the gather, trace and sample of the first sample of a patch."""
    for number, gather in enumerate(gathers):
        views = np.lib.stride_tricks.sliding_window_view(gather / scale(gather), patch.shape[-2:])
        at = np.argwhere(np.isclose(views, patch[0].numpy(), rtol=1e-4).all((-2, -1)))
        if len(at):
            return number, int(at[0, 0]), int(at[0, 1])
    raise AssertionError("the patch is in no gather")


def test_patches_are_parts_of_scaled_gathers(survey, gathers):
    patches = batches(data(survey))
    assert patches.shape == (24, 1, 8, 24)
    assert len({origin(patch, gathers) for patch in patches}) > 12


def test_a_gather_is_in_one_split_only(survey, gathers):
    source = data(survey)
    drawn = {
        split: {origin(patch, gathers)[0] for patch in batches(source, split)}
        for split in ("train", "val", "test")
    }
    assert not any(drawn[a] & drawn[b] for a, b in combinations(drawn, 2))
    assert {split: set(records) for split, records in source.splits.items()} == drawn


def test_parts_of_a_gather_stay_in_one_split(tmp_path, gathers, monkeypatch):
    # A part of a gather then has 8 traces.
    monkeypatch.setattr("scionwood_seismic.readers.segy.LARGEST", 8 * 48)
    for number in range(3):
        write_segy(tmp_path / f"{number}.sgy", gathers[number : number + 1], dt=DT)
    splits = data(tmp_path).splits
    assert sorted(map(sorted, splits.values())) == [[0, 1], [2, 3], [4, 5]]


def test_the_seed_determines_the_data_for_any_number_of_workers(survey):
    drawn = batches(data(survey))
    assert torch.equal(drawn, batches(data(survey)))
    assert torch.equal(drawn, batches(data(survey, num_workers=2)))
    assert not torch.equal(drawn, batches(data(survey, seed=1)))


def test_skips_dead_traces_and_small_gathers(tmp_path, gathers):
    gathers[:, 3], gathers[:, 7] = 0, np.nan
    gathers[0], gathers[1, :6] = 0, np.inf
    path = tmp_path / "dead.sgy"
    write_segy(path, gathers, dt=DT)
    alive = np.delete(gathers[2:], [3, 7], axis=1)
    for patch in batches(data(path)):
        origin(patch, alive)


def test_takes_noise_from_the_window_and_patches_after_it(survey, gathers):
    source = data(survey, noise_window=20 * DT)
    noise, noisy = batches(source, key="noise_only"), batches(source)
    assert noise.shape == noisy.shape
    windows = np.concatenate([np.abs(g[:, :20] / scale(g)).ravel() for g in gathers])
    assert np.isin(np.abs(noise.numpy()).round(4), windows.round(4)).mean() > 0.99
    assert all(origin(patch, gathers)[2] >= 20 for patch in noisy)


@table(
    ("options", "rule"),
    [
        ({"n_traces": 13}, r"has 13 live traces of 24 samples\. Lower data.n_traces"),
        ({"noise_window": 3 * DT}, "it is 3 samples of .*survey.sgy"),
        ({"noise_window": 48 * DT}, "it is 48 samples of .*survey.sgy"),
        ({"gather": "none"}, r"1 gathers cannot be split.*Give more files"),
        ({"cache": 0}, "data.cache 0"),
    ],
)
def test_refuses_options_that_do_not_fit_the_survey(survey, options, rule):
    with pytest.raises((ReadError, RecipeError), match=rule):
        batches(data(survey, **options))


def test_reports_a_damaged_file_before_training(survey):
    survey.write_bytes(survey.read_bytes()[:-10])
    with pytest.raises(ReadError, match=r"survey\.sgy: the SEG-Y file ends"):
        data(survey).setup("fit")


def test_lists_files_by_name_folder_and_glob(survey):
    other = survey.with_name("b.SEGY")
    other.write_bytes(survey.read_bytes())
    survey.with_name("notes.txt").write_text("not data")
    assert find_files(str(survey)) == [survey]
    assert find_files(str(survey.parent)) == [other, survey]
    assert find_files(f"{survey.parent}/s*") == [survey]
    with pytest.raises(ReadError, match="no seismic file is there"):
        find_files(str(survey.parent / "x*.sgy"))


def test_keeps_no_more_gathers_than_the_cache(survey):
    source = data(survey, cache=2)
    batches(source)
    batches(source, "val")
    assert len(source.kept.values) == 2
    closed: list[str] = []
    recent = Recent[str](2, closed.append)
    for key in (0, 1, 0, 2):
        recent.get(key, lambda key=key: f"gather {key}")
    assert closed == ["gather 1"]
    assert list(recent.values) == [0, 2]


def test_the_simulated_survey_has_clean_gathers():
    batch = next(iter(data(noise_window=0.064).train_dataloader()))
    assert set(batch) == {"noisy", "clean", "noise_only"}
    error = batch["noisy"] - batch["clean"]
    assert 0.1 < error.square().mean() / batch["clean"].square().mean() < 10
