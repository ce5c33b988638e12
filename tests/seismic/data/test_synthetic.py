"""Simulated gathers, and the unit in which a gather is normalised."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from case_table import table

from scionwood import RecipeError
from scionwood_seismic.data import normalise
from scionwood_seismic.data.normalise import live, scale, scale_in_blocks
from scionwood_seismic.data.synthetic import SyntheticGathers


def small(**options: object) -> SyntheticGathers:
    return SyntheticGathers(
        **{"n_traces": 32, "n_samples": 32, "n_train": 24, "n_val": 8, "n_test": 8} | options
    )


def noisy(data: SyntheticGathers, split: str) -> torch.Tensor:
    loader = getattr(data, f"{split}_dataloader")()
    return torch.cat([batch["noisy"] for batch in loader])


def test_a_batch_has_noisy_and_clean_gathers_in_one_unit():
    kinds = ("white", "swell", "ringing")
    data = small(lowest_snr=30, highest_snr=30, noises=kinds, clean_share=0.0)
    batch = next(iter(data.train_dataloader()))
    assert batch["noisy"].shape == batch["clean"].shape == (8, 1, 32, 32)
    error = (batch["noisy"] - batch["clean"]).square().mean() / batch["clean"].square().mean()
    assert 10 * torch.log10(error) == pytest.approx(-30, abs=0.1)
    assert batch["noisy"].std() == pytest.approx(1, abs=0.3)


def test_some_training_gathers_have_no_noise():
    data = small(clean_share=0.5)
    clean = [_without_noise(data.sample("train", i)) for i in range(60)]
    assert 15 < sum(clean) < 45
    assert not any(_without_noise(data.sample("val", i)) for i in range(20))


def test_the_signal_free_start_contains_only_noise():
    data = small(quiet=0.02, clean_share=0.0)
    sample = data.sample("train", 0)
    assert not sample["clean"][..., :10].any()
    assert sample["clean"][..., 10:].any()
    assert sample["noisy"][..., :10].any()
    with pytest.raises(RecipeError, match="less than the record"):
        small(quiet=1.0)


def test_the_test_split_may_have_other_classes():
    data = small(test_noises=("ambient", "scattered"), test_signals=("vsp",))
    same = small(noises=("ambient", "scattered"), signals=("vsp",))
    assert torch.equal(data.sample("test", 3)["noisy"], same.sample("test", 3)["noisy"])
    assert torch.equal(data.sample("val", 3)["noisy"], small().sample("val", 3)["noisy"])


def _without_noise(sample: dict[str, torch.Tensor]) -> bool:
    return torch.equal(sample["noisy"], sample["clean"])


@pytest.mark.parametrize("option", ["noises", "signals"])
def test_refuses_an_unknown_class_and_lists_known_ones(option):
    with pytest.raises(RecipeError, match=f"{option}: whitish.*one or more of"):
        small(**{option: ("whitish",)})
    with pytest.raises(RecipeError, match="nothing"):
        small(**{option: ()})


@table("factor", [1e-30, 1e-9, 1e6, 1e30])
def test_scale_is_proportional_to_the_amplitudes(factor):
    data = np.random.default_rng(0).standard_normal((30, 40)).astype(np.float32)
    scaled = scale(data * np.float32(factor))
    assert scaled == pytest.approx(factor * scale(data), rel=1e-5)


def test_a_single_spike_does_not_change_the_scale_and_zeros_have_one():
    data = np.random.default_rng(0).standard_normal((30, 40))
    before = scale(data)
    data[3, 7] = 1e6
    assert scale(data) == pytest.approx(before, rel=0.05)
    zeros = np.zeros((30, 40))
    assert scale(zeros) == 1
    zeros[3, 7] = 5
    assert 0 < scale(zeros) <= 5
    assert scale_in_blocks([np.zeros((5, 8)), np.full((5, 8), np.nan)]) == 1, "a dead gather"


class TestALongGather:
    """The scale of a long gather comes from evenly spaced live traces, for any block size."""

    @pytest.fixture
    def data(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        data = rng.standard_normal((500, 40)) * np.linspace(1, 9, 500)[:, None]
        data[100:200] = 0
        return data.astype(np.float32)

    @table("size", [1, 7, 64, 500])
    def test_the_scale_does_not_depend_on_the_blocks(self, data, size, monkeypatch):
        whole = scale(data[live(data)])
        assert scale_in_blocks([data[i : i + size] for i in range(0, 500, size)]) == whole
        monkeypatch.setattr(normalise, "ENOUGH", 2000)
        some = scale_in_blocks([data[i : i + size] for i in range(0, 500, size)])
        assert some == pytest.approx(whole, rel=0.1)

    def test_all_parts_of_a_long_gather_count_equally(self, data, monkeypatch):
        monkeypatch.setattr(normalise, "ENOUGH", 400)
        backwards = [data[i : i + 50][::-1] for i in range(450, -1, -50)]
        forwards = [data[i : i + 50] for i in range(0, 500, 50)]
        assert scale_in_blocks(backwards) == pytest.approx(scale_in_blocks(forwards), rel=0.2)


def test_constant_and_non_finite_traces_are_not_live():
    data = np.random.default_rng(0).standard_normal((5, 8))
    data[1], data[2] = 0, 3.5
    data[3, 4], data[4, 0] = np.nan, np.inf
    assert live(data).tolist() == [True, False, False, False, False]
