"""Schedules by name: their shape, the warm-up before them, and `plateau`, which is resumed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from case_table import table
from run_column import column
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from scionwood import Task, resolve
from scionwood.authoring import DataLoader
from scionwood.errors import RecipeError
from scionwood.training import schedules
from scionwood.training.builtin_components import SCHEDULES

SHAPES = {name: getattr(schedules, name) for name in SCHEDULES if name != "plateau"}


@table("name", SHAPES)
def test_every_schedule_begins_at_the_whole_rate_and_never_exceeds_it(name: str) -> None:
    shares = [SHAPES[name](step, 100) for step in range(101)]
    assert shares[0] == 1.0
    assert all(0 <= share <= 1 for share in shares)
    assert SHAPES[name](5, math.inf) <= 1.0, "a run without an end"


@table("name", ["cosine", "cosine_restarts", "linear", "polynomial", "wsd"])
def test_a_schedule_ends_at_its_floor(name: str) -> None:
    assert SHAPES[name](100, 100) == pytest.approx(0.0)
    assert SHAPES[name](100, 100, floor=0.2) == pytest.approx(0.2)
    assert SHAPES[name](200, 100, floor=0.2) == pytest.approx(0.2), "and stays there"


@table(
    ("name", "options", "step", "share"),
    [
        ("constant", {}, 70, 1.0),
        ("cosine", {}, 50, 0.5),
        ("cosine_restarts", {"cycles": 2}, 50, 1.0),
        ("cosine_restarts", {"cycles": 2}, 25, 0.5),
        ("linear", {}, 25, 0.75),
        ("polynomial", {"power": 2}, 50, 0.25),
        ("exponential", {"floor": 0.01}, 50, 0.1),
        ("inverse_sqrt", {"scale": 30}, 90, 0.5),
        ("step", {"every": 30, "factor": 0.5}, 65, 0.25),
        ("wsd", {"decay": 0.4}, 60, 1.0),
        ("wsd", {"decay": 0.4}, 80, 0.5),
    ],
)
def test_the_shares_are_those_of_the_definition(
    name: str, options: dict[str, Any], step: int, share: float
) -> None:
    assert SHAPES[name](step, 100, **options) == pytest.approx(share)


def test_the_schedule_follows_the_warm_up(toy_fit: Callable[..., Path]) -> None:
    run = toy_fit(
        *("task.lr=1.0", "task.schedule={name: linear, floor: 0.5}", "task.warmup_steps=3"),
        *("trainer.max_steps=11", "trainer.gradient_clip_val=1.0e-3"),
    )
    assert column(run, "lr")[:8] == pytest.approx(
        [0.25, 0.5, 0.75, 1.0, 15 / 16, 14 / 16, 13 / 16, 0.75]
    )


def test_plateau_lowers_the_rate_after_validations_that_do_not_improve(
    toy_fit: Callable[..., Path],
) -> None:
    run = toy_fit(
        *("task.lr=1.0e-9", "task.warmup_steps=3", "trainer.max_epochs=4"),
        "task.schedule={name: plateau, patience: 0, factor: 0.5, threshold: 0.1}",
    )
    shares = [rate / 1e-9 for rate in column(run, "lr")]
    assert shares[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    ends = shares[7::8]  # eight steps an epoch; the first validation has nothing to improve on
    assert ends == pytest.approx([1.0, 1.0, 0.5, 0.25])


def test_plateau_is_resumed_exactly(toy_fit: Callable[..., Path]) -> None:
    given = ["task.schedule={name: plateau, patience: 1, threshold: 0.5}"]
    whole = toy_fit(*given, "trainer.max_epochs=6", name="whole")
    toy_fit(*given, "trainer.max_epochs=3", name="part")
    again = toy_fit(*given, "trainer.max_epochs=6", resume=whole.parent / "part")
    assert column(again, "lr") == column(whole, "lr")
    assert len(set(column(whole, "lr"))) > 1


@table(
    ("override", "message"),
    [
        ("task.schedule=warm", "no schedule has this name.*Known: constant, cosine"),
        ("task.schedule=linaer", "Did you mean 'linear'"),
        ("task.schedule={name: wsd, decai: 1}", "no option 'decai'.*'decay'"),
        ("task.schedule={name: wsd, decay: fast}", "task.schedule wsd.*decay.*float"),
        ("task.schedule={name: plateau, patience: long}", "plateau.*patience.*int"),
    ],
)
def test_a_wrong_schedule_is_refused_by_name(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=f"(?s){message}"):
        resolve("toy/regress", [override])


@table(
    ("choice", "message"),
    [
        ({"name": "exponential", "floor": 0.0}, "exponential.*must be above zero"),
        ({"name": "plateau", "factor": 3.0}, "plateau.*between 0 and 1"),
        ({"name": "step", "every": 0}, "step.*at least 1"),
    ],
)
def test_a_value_outside_its_range_is_refused_before_training(choice: Any, message: str) -> None:
    task = Sum(nn.Linear(2, 1), schedule=choice)
    with pytest.raises(RecipeError, match=message):
        task.configure_optimizers()


class Sum(Task):
    """The square of the output."""

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        return {"loss": self.backbone(batch).square().mean()}


class Stream(IterableDataset[Tensor]):
    """Rows whose number nobody knows."""

    def __iter__(self):
        return iter(torch.ones(6, 2))


@pytest.mark.filterwarnings("ignore:.*(treespec|val_dataloader|many workers|litlogger)")
@pytest.mark.parametrize("max_steps", [-1, 100])
def test_a_stream_of_unknown_length_does_not_end_the_schedule(max_steps: int) -> None:
    task = Sum(nn.Linear(2, 1), schedule="cosine", lr=1.0)
    task.max_steps = max_steps
    off = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = L.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **off)
    trainer.fit(task, DataLoader(Stream(), 2), DataLoader(Stream(), 2))
    assert task.total_steps() == (math.inf if max_steps < 0 else 100)
    assert trainer.optimizers[0].param_groups[0]["lr"] > 0.9
