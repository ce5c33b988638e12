"""The loader's order and its samples' random draws are a function of seed and epoch."""

from __future__ import annotations

import multiprocessing
import os
import random
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from case_table import table
from lightning.pytorch.utilities.data import _update_dataloader
from torch.utils.data import Dataset, DistributedSampler, IterableDataset

import scionwood
from scionwood.authoring import DataLoader, InexactResumeWarning
from scionwood.recipes.recipe import Slot, resolve
from scionwood.training import fit, resumable
from scionwood.training.loader import named_workers


class Dice(Dataset[torch.Tensor]):
    """A dataset that returns the index and a draw of each generator."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> torch.Tensor:
        draws = [random.random(), np.random.rand(), float(torch.rand(()))]  # noqa: NPY002
        return torch.tensor([index, *draws], dtype=torch.float64)


class Batched(Dice):
    """A dataset that reads a batch at once."""

    def __getitems__(self, indices: list[int]) -> list[torch.Tensor]:
        return [self[index] for index in indices]


def epoch(loader: DataLoader, number: int = 0) -> torch.Tensor:
    loader.sampler.set_epoch(number)
    return torch.cat(list(loader))


@table("dataset", [Dice(), Batched()], ids=["samples", "batches"])
@table("workers", [0, 2])
def test_order_and_draws_depend_on_seed_and_epoch_alone(dataset: Any, workers: int) -> None:
    def loader(seed: int = 1) -> DataLoader:
        return DataLoader(dataset, 4, shuffle=True, num_workers=workers, seed=seed)

    first = epoch(loader())
    random.random(), torch.rand(3)  # what others draw in between does not matter
    assert torch.equal(epoch(loader()), first)
    assert sorted(first[:, 0].tolist()) == list(range(10))
    assert len(first[:, 1:].unique()) == 30, "every draw is another"
    for other in (epoch(loader(), 1), epoch(loader(seed=2))):
        assert not torch.equal(other[:, 0], first[:, 0])
        assert not torch.isin(other[:, 1:], first[:, 1:]).any()


def test_workers_change_nothing() -> None:
    loaders = [DataLoader(Dice(), 4, shuffle=True, num_workers=n, seed=3) for n in (0, 2)]
    assert torch.equal(*(epoch(loader) for loader in loaders))


class Where(Dataset[torch.Tensor]):
    """A dataset that returns the process that reads, and a draw."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor([os.getpid(), int(torch.randint(1 << 30, ()))])


@pytest.mark.parametrize("method", ["fork", pytest.param("forkserver", marks=pytest.mark.slow)])
def test_workers_stay_between_epochs_and_learn_their_number(method: str) -> None:
    loader = DataLoader(Where(), 2, num_workers=2, multiprocessing_context=method, seed=3)
    rows = [epoch(loader, number) for number in (0, 1, 0)]
    first, second, again = ({int(pid) for pid in each[:, 0]} for each in rows)
    assert len(first) == 2
    assert first == second == again
    assert torch.equal(rows[0], rows[2]), "the draws depend on the number of the epoch alone"
    assert not torch.isin(rows[1][:, 1], rows[0][:, 1]).any()


def test_a_training_ends_the_workers_that_it_started() -> None:
    kept, ended = (DataLoader(Where(), 2, num_workers=1, seed=3) for _ in range(2))
    mine = {int(pid) for pid in epoch(kept)[:, 0]}
    with named_workers():
        theirs = {int(pid) for pid in epoch(ended)[:, 0]}
        alive = {child.pid for child in multiprocessing.active_children()}
        assert mine | theirs <= alive
    alive = {child.pid for child in multiprocessing.active_children()}
    assert mine <= alive
    assert not theirs & alive
    assert {int(pid) for pid in epoch(ended)[:, 0]} != theirs
    for loader in (kept, ended):
        loader.stop()


def test_an_epoch_that_was_left_early_does_not_leak_into_the_next() -> None:
    loader = DataLoader(Dice(), 2, shuffle=True, num_workers=2, seed=5)
    whole = epoch(loader, 1)
    loader.sampler.set_epoch(0)
    next(iter(loader))
    assert torch.equal(epoch(loader, 1), whole)


def test_reading_leaves_the_global_generators_alone() -> None:
    loader = DataLoader(Dice(), 4, shuffle=True)
    before = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    epoch(loader)
    after = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert (before[0], before[2]) == (after[0], after[2])
    assert torch.equal(before[1], after[1])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_position_is_restored_in_its_epoch(workers: int) -> None:
    def loader() -> DataLoader:
        made = DataLoader(Dice(), 2, shuffle=True, num_workers=workers, seed=4)
        made.sampler.set_epoch(7)
        return made

    first = loader()
    batches = iter(first)
    head = [next(batches), next(batches)]
    position = first.state_dict()
    tail = list(batches)
    second = loader()
    second.load_state_dict(position)
    assert torch.equal(torch.cat(list(second)), torch.cat(tail))
    assert torch.equal(torch.cat([*head, *tail]), epoch(loader(), 7))


def test_the_default_seed_is_that_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "5")
    implicit = DataLoader(Dice(), 4, shuffle=True)
    assert torch.equal(epoch(implicit), epoch(DataLoader(Dice(), 4, shuffle=True, seed=5)))


def test_lightning_can_distribute_a_sampler_of_the_user() -> None:
    own = DataLoader(Dice(), 4, sampler=[9, 8, 7], drop_last=True, seed=6)
    share = DistributedSampler(own.dataset, num_replicas=2, rank=1, shuffle=False)
    shared = _update_dataloader(own, share)
    assert isinstance(shared, DataLoader)
    assert torch.cat(list(shared))[:, 0].tolist() == [1, 3, 5, 7], "drop_last is kept"
    assert shared.dataset is own.dataset, "seeded once"


def test_an_iterable_dataset_passes_through() -> None:
    class Stream(IterableDataset[int]):
        def __iter__(self) -> Any:
            return iter(range(5))

    assert torch.cat(list(DataLoader(Stream(), 2))).tolist() == [0, 1, 2, 3, 4]


PLAIN = torch.utils.data.DataLoader


def test_a_loader_without_state_is_named() -> None:
    ours, other = DataLoader(range(4)), PLAIN(range(4))
    assert resumable(ours) is resumable([ours, ours]) is None
    for loaders in (other, {"a": ours, "b": other}):
        assert resumable(loaders) == (
            "torch.utils.data.dataloader.DataLoader has no state_dict and load_state_dict"
        )


def test_fit_names_the_data_module_and_the_loader(tmp_path: Path) -> None:
    recipe = resolve("toy/regress", ["trainer.logger=csv", "trainer.max_steps=2"])

    class PlainData(recipe.data.component):
        def train_dataloader(self) -> Any:
            return PLAIN(super().train_dataloader().dataset, 8, shuffle=True)

    plain = replace(recipe, data=Slot("toy/plain", PlainData, recipe.data.options))
    with pytest.warns(InexactResumeWarning, match=r"of PlainData: torch\..*DataLoader has no"):
        fit(plain, run_dir=tmp_path / "plain")
    with warnings.catch_warnings():
        warnings.simplefilter("error", scionwood.authoring.InexactResumeWarning)
        fit(recipe, run_dir=tmp_path / "ours")
