"""A value that is not finite stops the run before it changes a weight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from scionwood import Task
from scionwood.errors import TrainingError
from scionwood.recipes.recipe import Slot, resolve
from scionwood.training import fit
from scionwood.training.checkpoint import LAST, read_checkpoint
from scionwood.training.metrics import read_metrics

EVERY = "trainer.callbacks=[{name: checkpoint, every_n_steps: 1}]"


class RootOfZero(Task):
    """A loss of zero whose gradient is not a number."""

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"loss": (0.0 * self.backbone(batch[0])).abs().sqrt().sum()}


class Overflow(Task):
    """A finite loss and a finite gradient, but a weight that overflows in the step."""

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"loss": self.backbone(batch[0]).mean()}

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        super().optimizer_step(*arguments, **options)
        with torch.no_grad():
            next(p for p in self.parameters() if p.requires_grad).mul_(1e38).mul_(1e38)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_nan_loss_names_the_step_and_the_last_good_checkpoint(
    toy_fit: Callable[..., Path], tmp_path: Path, accumulate: int
) -> None:
    options = ("data.nan_at=7", EVERY, f"trainer.accumulate_grad_batches={accumulate}")
    with pytest.raises(TrainingError, match=r"loss .*nan.* at step \d") as error:
        toy_fit(*options)
    run = tmp_path / "run"
    good = read_checkpoint(run / LAST)
    assert f"at step {good['global_step'] + 1}" in str(error.value)
    assert str(run / LAST) in str(error.value)
    assert all(torch.isfinite(value).all() for value in good["state_dict"].values())
    assert len(read_metrics(run / "metrics.csv")) == good["global_step"] > 0

    with pytest.raises(TrainingError) as again:
        toy_fit(*options, resume=run)
    assert str(again.value) == str(error.value)


def test_a_nan_before_the_first_checkpoint_says_that_none_exists(
    toy_fit: Callable[..., Path],
) -> None:
    with pytest.raises(TrainingError, match=r"at step 1.*no checkpoint yet"):
        toy_fit("data.n=8", "data.nan_at=0")


@pytest.mark.parametrize(
    ("task", "message"),
    [(RootOfZero, "gradient at step 1"), (Overflow, "weights at step 1")],
    ids=["gradient", "weights"],
)
def test_a_nan_in_gradients_or_weights_never_reaches_a_checkpoint(
    tmp_path: Path, task: type[Task], message: str
) -> None:
    recipe = resolve("toy/regress", ["trainer.logger=csv", EVERY])
    recipe = replace(recipe, task=Slot(task.__name__, task, {}))
    with pytest.raises(TrainingError, match=message):
        fit(recipe, run_dir=tmp_path / "run")
    assert not (tmp_path / "run" / LAST).exists()
