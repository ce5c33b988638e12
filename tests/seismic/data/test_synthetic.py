from __future__ import annotations

from itertools import combinations

import pytest
import torch

from scionwood import RecipeError
from scionwood_seismic.data.synthetic import SPLITS, SyntheticGathers
from scionwood_seismic.synth.noise import NOISES, UNSEEN


def small(**options: object) -> SyntheticGathers:
    return SyntheticGathers(
        **{"n_traces": 32, "n_samples": 32, "n_train": 24, "n_val": 8, "n_test": 8} | options
    )


def noisy(data: SyntheticGathers, split: str) -> torch.Tensor:
    loader = getattr(data, f"{split}_dataloader")()
    return torch.cat([batch["noisy"] for batch in loader])


def test_a_batch_has_noisy_and_clean_gathers_in_one_unit() -> None:
    kinds = ("white", "swell", "ringing")
    data = small(lowest_snr=30, highest_snr=30, noises=kinds, clean_share=0.0)
    batch = next(iter(data.train_dataloader()))
    assert batch["noisy"].shape == batch["clean"].shape == (8, 1, 32, 32)
    error = (batch["noisy"] - batch["clean"]).square().mean() / batch["clean"].square().mean()
    assert 10 * torch.log10(error) == pytest.approx(-30, abs=0.1)
    assert batch["noisy"].std() == pytest.approx(1, abs=0.3)


def test_the_number_of_workers_does_not_matter() -> None:
    torch.testing.assert_close(
        noisy(small(), "train"), noisy(small(num_workers=2), "train"), rtol=0, atol=0
    )


def test_the_seed_determines_the_data() -> None:
    assert torch.equal(noisy(small(), "val"), noisy(small(), "val"))
    assert not torch.equal(noisy(small(), "val"), noisy(small(seed=1), "val"))


def test_no_gather_is_in_two_splits() -> None:
    data = small()
    splits = {
        split: {data.sample(split, i)["noisy"].numpy().tobytes() for i in range(40)}
        for split in SPLITS
    }
    assert all(len(gathers) == 40 for gathers in splits.values())
    assert not any(splits[a] & splits[b] for a, b in combinations(splits, 2))


def test_some_training_gathers_have_no_noise() -> None:
    data = small(clean_share=0.5)
    clean = [_without_noise(data.sample("train", i)) for i in range(60)]
    assert 15 < sum(clean) < 45
    assert not any(_without_noise(data.sample("val", i)) for i in range(20))


def test_the_signal_free_start_contains_only_noise() -> None:
    data = small(quiet=0.02, clean_share=0.0)
    sample = data.sample("train", 0)
    assert not sample["clean"][..., :10].any()
    assert sample["clean"][..., 10:].any()
    assert sample["noisy"][..., :10].any()
    with pytest.raises(RecipeError, match="less than the record"):
        small(quiet=1.0)


def test_the_test_split_may_have_other_classes() -> None:
    data = small(test_noises=("ambient", "scattered"), test_signals=("vsp",))
    same = small(noises=("ambient", "scattered"), signals=("vsp",))
    assert torch.equal(data.sample("test", 3)["noisy"], same.sample("test", 3)["noisy"])
    assert torch.equal(data.sample("val", 3)["noisy"], small().sample("val", 3)["noisy"])


def _without_noise(sample: dict[str, torch.Tensor]) -> bool:
    return torch.equal(sample["noisy"], sample["clean"])


def test_noise_classes_alternate() -> None:
    data = small(noises=("swell", "white"))
    assert [data.sample("train", i)["noise"].item() for i in range(4)] == [0, 1, 0, 1]
    assert len(NOISES) == 10
    assert not NOISES.keys() & UNSEEN.keys()


@pytest.mark.parametrize("option", ["noises", "signals"])
def test_refuses_an_unknown_class_and_lists_known_ones(option: str) -> None:
    with pytest.raises(RecipeError, match=f"{option}: whitish.*one or more of"):
        small(**{option: ("whitish",)})
    with pytest.raises(RecipeError, match="nothing"):
        small(**{option: ()})
