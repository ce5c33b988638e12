"""The optimiser, the schedule and the sharding rule of a task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from scionwood import Task
from scionwood.errors import TrainingError
from scionwood.training.metrics import read_metrics
from scionwood.training.shard import blocks, shard


class Scaled(Task):
    """A task with a parameter of its own, outside the backbone."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__(backbone, weight_decay=0.5)
        self.scale = nn.Parameter(torch.ones(()))

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.scale * self.backbone(batch)).mean()}


def test_the_rate_warms_up_and_then_falls_along_a_cosine(toy_fit: Callable[..., Path]) -> None:
    run = toy_fit(
        *("task.lr=1.0", "task.schedule=cosine", "task.warmup_steps=3", "trainer.max_steps=11"),
        "trainer.gradient_clip_val=1.0e-3",
    )
    rates = [float(r["lr"]) for r in read_metrics(run / "metrics.csv") if "lr" in r]
    assert rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rates[7] == pytest.approx(0.5)
    assert rates == pytest.approx(rates[:4] + sorted(rates[4:], reverse=True))
    assert len(rates) == 11


def test_a_constant_rate_warms_up_too(toy_fit: Callable[..., Path]) -> None:
    run = toy_fit("task.lr=0.5", "task.warmup_steps=1", "trainer.max_steps=4")
    rates = [float(r["lr"]) for r in read_metrics(run / "metrics.csv") if "lr" in r]
    assert rates == pytest.approx([0.25, 0.5, 0.5, 0.5])


def test_what_trains_outside_the_backbone_is_optimised_too() -> None:
    task = Scaled(nn.Linear(2, 1))
    groups = task.configure_optimizers()["optimizer"].param_groups
    assert sum(len(group["params"]) for group in groups) == 3
    assert {group["weight_decay"] for group in groups} == {0.5}


def test_frozen_statistics_stay_fixed_in_training() -> None:
    frozen = nn.BatchNorm1d(2).requires_grad_(False)
    task = Scaled(nn.Sequential(frozen, nn.BatchNorm1d(2))).train()
    assert [module.training for module in task.backbone] == [False, True]


def test_blocks_are_the_innermost_repeated_modules_that_train() -> None:
    inner = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    frozen = nn.Sequential(nn.Linear(2, 2)).requires_grad_(False)
    assert blocks(nn.ModuleList([inner, frozen])) == [inner[0]]


def test_a_sharded_task_must_not_train_outside_its_backbone() -> None:
    with pytest.raises(TrainingError, match="parameter scale"):
        shard(Scaled(nn.Linear(2, 1)), None)
