"""`data.subset`: training on chosen examples, and lists of other data refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from case_table import table
from torch.utils.data import IterableDataset

from scionwood import ReadError, RecipeError, TrainingError
from scionwood.authoring import DataLoader, TrainingSubset
from scionwood.recipes.recipe import override, resolve
from scionwood.training import load_run
from scionwood.training import test as measure

CHOSEN = [5, 2, 40]


def loader(*overrides: str) -> Any:
    return resolve("toy/regress", list(overrides)).data.build().train_dataloader()


def chosen(folder: Path) -> str:
    TrainingSubset.of(loader(), CHOSEN).write(folder)
    return f"data.subset={folder}"


def test_only_the_chosen_examples_are_trained_on(tmp_path: Path) -> None:
    TrainingSubset.of(loader("data.jitter=0.5"), CHOSEN).write(tmp_path)
    part = loader(f"data.subset={tmp_path}", "data.jitter=0.5")
    whole = loader().dataset.inner
    assert part.batch_size == 3
    data = [resolve("toy/regress", o).data.build() for o in ([f"data.subset={tmp_path}"], [])]
    assert len({len(each.val_dataloader().dataset) for each in data}) == 1, "validation sees all"
    seen = torch.cat([y for _, y in part])
    assert sorted(seen.flatten().tolist()) == sorted(whole.y[CHOSEN].flatten().tolist())
    part.sampler.set_epoch(1)  # augmentation goes on from epoch to epoch
    first = torch.cat([x for x, _ in part])
    part.sampler.set_epoch(2)
    assert not set(first.flatten().tolist()) & set(
        torch.cat([x for x, _ in part]).flatten().tolist()
    )


def test_a_run_keeps_the_list_and_is_tested_without_it(
    tmp_path: Path, toy_fit: Callable[..., Path]
) -> None:
    run = toy_fit(chosen(tmp_path / "chosen"), "trainer.max_steps=3", "trainer.max_epochs=-1")
    assert f"subset: {tmp_path / 'chosen'}" in (run / "recipe.yaml").read_text()
    (tmp_path / "chosen" / "subset.json").unlink()
    load_run(run)
    assert measure(run)["test_loss"] > 0


def test_without_a_list_nothing_changes() -> None:
    assert "subset" not in resolve("toy/regress").dump()
    none = resolve("toy/regress", ["data.subset=null"])
    assert none.data == resolve("toy/regress", ["data.subset=null"]).data
    assert len(none.data.build().train_dataloader().dataset) == 64
    renamed = override(resolve("toy/regress"), {"data.subset": "chosen"})
    assert renamed.data.options["subset"] == "chosen"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("data.n=65", "for 64 training examples, and these data have 65"),
        ("data.data_seed=9", "the examples of these data are others"),
    ],
)
def test_lists_of_other_data_are_refused(tmp_path: Path, change: str, says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        loader(chosen(tmp_path), change)


def test_the_seed_of_the_recipe_does_not_make_them_other_data(tmp_path: Path) -> None:
    TrainingSubset.of(loader("data.jitter=1"), CHOSEN).write(tmp_path)
    assert len(loader(f"data.subset={tmp_path}", "data.jitter=1", "seed=7")) == 1


class Named(list[float]):
    """A dataset whose examples have names."""

    def name_of(self, index: int) -> str:
        return f"{self[index]}.png"


def test_names_must_be_the_same() -> None:
    data = Named([float(n) for n in range(40)])
    subset = TrainingSubset.of(DataLoader(data), [3])
    assert subset.names == ("3.0.png",)
    data[3], data[4] = data[4], data[3]
    with pytest.raises(TrainingError, match="other names"):
        subset.loader(DataLoader(data))


@table("indices", [[], [1, 1], [64], [-1]])
def test_wrong_indices_are_refused(indices: list[int]) -> None:
    with pytest.raises(TrainingError, match="from 0 to 63 and only once"):
        TrainingSubset.of(loader(), indices)


@table(
    "text",
    ["", "[]", '{"chosen": 1}', "{}"]
    + [
        json.dumps({"chosen": chosen, "names": names, "length": length, "sha256": ""})
        for chosen, names, length in (([4], [], 4), ([True], [], 4), ([0], "", 4), ([0], [], "4"))
    ],
)
def test_damaged_lists_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "subset.json").write_text(text)
    with pytest.raises(ReadError, match=r"subset\.json"):
        TrainingSubset.read(tmp_path)


class Stream(IterableDataset[float]):
    """A stream."""

    def __iter__(self) -> Any:
        return iter([1.0])


@table("other", [DataLoader(Stream()), torch.utils.data.DataLoader([1.0]), [DataLoader([1.0])]])
def test_streams_and_other_loaders_are_refused(other: Any) -> None:
    with pytest.raises(TrainingError, match="chosen by their index"):
        TrainingSubset.of(other, [0])


def test_an_order_of_ones_own_has_no_parts() -> None:
    with pytest.raises(TrainingError, match="order of their own"):
        DataLoader([1.0, 2.0], sampler=[1, 0]).part([0])


@table("value", ["3", "[a]", "true"])
def test_other_values_are_refused(value: str) -> None:
    with pytest.raises(RecipeError, match="null, or the folder of a list"):
        resolve("toy/regress", [f"data.subset={value}"])
