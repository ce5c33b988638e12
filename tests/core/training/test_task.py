"""The optimiser, the schedule and the sharding rule of a task."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import pytest
import torch
from case_table import table
from torch import Tensor, nn

from scionwood import Optimiser, Task
from scionwood.cli.inspection import _component
from scionwood.errors import RecipeError, TrainingError
from scionwood.recipes.recipe import validate
from scionwood_scale.strategies.sharded import blocks, shard


class Weighted(Task):
    """A task with its own option and defaults."""

    defaults: ClassVar[Optimiser] = {"lr": 4e-3, "schedule": "cosine"}

    def __init__(
        self, backbone: nn.Module, *, power: int = 2, **optimiser: Unpack[Optimiser]
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.power = power

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.backbone(batch) ** self.power).mean()}


class Slower(Weighted):
    """A task that changes one default of its base."""

    defaults: ClassVar[Optimiser] = {"lr": 1e-5}


class Scaled(Task):
    """A task with a parameter outside the backbone."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__(backbone, weight_decay=0.5)
        self.scale = nn.Parameter(torch.ones(()))

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.scale * self.backbone(batch)).mean()}


def test_parameters_outside_the_backbone_are_optimised_too() -> None:
    task = Scaled(nn.Linear(2, 1))
    groups = task.configure_optimizers()["optimizer"].param_groups
    assert sum(len(group["params"]) for group in groups) == 3
    assert {group["weight_decay"] for group in groups} == {0.5}


def test_frozen_statistics_stay_fixed_in_training() -> None:
    frozen = nn.BatchNorm1d(2).requires_grad_(False)
    task = Scaled(nn.Sequential(frozen, nn.BatchNorm1d(2))).train()
    assert [module.training for module in task.backbone] == [False, True]


def test_blocks_are_the_innermost_that_train_and_the_outermost_that_are_frozen() -> None:
    inner = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    frozen = nn.Sequential(nn.Sequential(nn.Linear(2, 2))).requires_grad_(False)
    inner.append(nn.Sequential(nn.Linear(2, 2)).requires_grad_(False))
    assert blocks(nn.ModuleList([inner, frozen])) == [inner[0], frozen, inner[2]]


def test_a_sharded_task_must_not_train_outside_its_backbone() -> None:
    with pytest.raises(TrainingError, match="parameter scale"):
        shard(Scaled(nn.Linear(2, 1)), None)


def test_a_recipe_takes_the_options_of_the_optimiser_with_the_defaults_of_the_task() -> None:
    options = {"power": 2, "lr": 4e-3, "weight_decay": 0.0, "warmup_steps": 0}
    names = {"schedule": "cosine", "optimizer": "adamw"}
    assert validate("task", Weighted, {}) == {**options, **names}
    assert validate("task", Slower, {})["lr"] == 1e-5
    given = validate("task", Slower, {"warmup_steps": 3, "power": 4})
    task = Slower(nn.Linear(2, 1), **given)
    assert (task.lr, task.weight_decay, task.warmup_steps) == (1e-5, 0.0, 3)
    assert (task.schedule, task.power) == ("cosine", 4)


@table(
    ("options", "text"),
    [
        ({"warmup_step": 3}, "unknown key 'warmup_step'.*warmup_steps"),
        ({"lr": "fast"}, "lr.*float"),
        ({"schedule": 3}, "schedule.*str"),
    ],
)
def test_a_recipe_checks_the_options_of_the_optimiser(options: dict[str, Any], text: str) -> None:
    with pytest.raises(RecipeError, match=f"(?s){text}"):
        validate("task", Weighted, options)


def test_help_shows_each_option_with_its_type_default_and_inherited_meaning() -> None:
    _, _, options = _component("tasks", "toy/weighted", Weighted).partition("options:\n")
    assert options.splitlines()[:5] == [
        "  power: int = 2",
        "  lr: float = 0.004",
        "      learning rate of the adapter and the head.",
        "  weight_decay: float = 0.0",
        "      the weight decay, which AdamW decouples from the gradient.",
    ]
    assert "  schedule: str | dict[str, typing.Any] = 'cosine'" in options


def test_an_option_that_no_task_has_is_refused_in_python_too() -> None:
    with pytest.raises(TypeError, match="Weighted got an unexpected keyword argument 'speed'"):
        Weighted(nn.Linear(2, 1), speed=1)  # type: ignore[call-arg]
