"""What the NaN guard costs in tensor operations, and what it shares with gradient clipping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from case_table import table
from peft import LoraConfig
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import scionwood
from scionwood import Task
from scionwood.errors import RecipeError, TrainingError
from scionwood.kernels import enable
from scionwood.recipes.recipe import Slot, resolve
from scionwood.training import fit
from scionwood.training.checkpoint import BEST, LAST, RunCheckpoint, read_checkpoint
from scionwood.training.guard import NanGuard, joint_norm
from scionwood.training.metrics import read_metrics
from scionwood.training.stop import DelayedMax
from scionwood.training.trainer import quiet

EVERY = "trainer.callbacks=[{name: checkpoint, every_n_steps: 1}]"
STEPS = 4


class Squares(Task):
    """The mean square of the output."""

    def losses(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": self.backbone(batch).square().mean()}


class Count(TorchDispatchMode):
    """Count the operations of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def task(layers: int = 48) -> Squares:
    torch.manual_seed(0)
    net = nn.Sequential(*(nn.Linear(8, 8) for _ in range(layers)))
    tuned = scionwood.attach(net, LoraConfig(r=2), targets=r"\d+", head=())
    enable(tuned)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    return Squares(tuned, lr=1e-3)


def fitted(folder: Path, made: Squares, *callbacks: L.Callback, **options: Any) -> list[str]:
    """Train for a few steps, and return the operations that ran."""
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=STEPS,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
        default_root_dir=folder,
        **options,
    )
    loader = scionwood.authoring.DataLoader(torch.ones(4 * STEPS, 8), batch_size=4)
    with quiet(), Count() as count:
        trainer.fit(made, loader, loader)
    return count.names


def test_the_guard_adds_ten_operations_to_a_step_of_48_layers(tmp_path: Path) -> None:
    without = fitted(tmp_path, task())
    with_guard = fitted(tmp_path, task(), NanGuard())
    assert (len(with_guard) - len(without)) / STEPS <= 10
    assert len(without) / STEPS > 400, "forward, backward and AdamW"
    every_second = fitted(tmp_path, task(), NanGuard(2))
    assert (len(every_second) - len(without)) / STEPS <= 5
    assert len(fitted(tmp_path, task(), NanGuard(0))) == len(without)


def test_clipping_uses_the_norm_of_the_guard_and_computes_what_it_would(tmp_path: Path) -> None:
    results, norms = [], []
    for guard in ([], [NanGuard()]):
        made = task(3)
        names = fitted(tmp_path, made, *guard, gradient_clip_val=1e-3)
        norms.append(sum("_foreach_norm" in name for name in names))
        results.append([p.detach() for p in made.parameters() if p.requires_grad])
    assert norms == [STEPS, STEPS], "one norm a step, with the guard and without"
    for left, right in zip(*results, strict=True):
        assert torch.equal(left, right)


@table("bad", [float("nan"), float("inf"), -float("inf")])
@table("order", [2.0, float("inf")])
def test_the_norm_shows_one_bad_value_of_any_dtype(bad: float, order: float) -> None:
    kinds = torch.float32, torch.bfloat16, torch.float64, torch.complex64
    good = [torch.full((5,), 3.0, dtype=kind) for kind in kinds] + [torch.zeros(0, 2)]
    assert torch.isfinite(joint_norm(good, order))
    assert torch.isfinite(joint_norm([torch.full((4,), 3e38)], float("inf"))), "large, and no fault"
    for tensor in good[:4]:
        tensor[2] = bad
        assert not torch.isfinite(joint_norm(good, order))
        tensor[2] = 3.0


@pytest.mark.slow
def test_two_processes_agree_and_write_no_bad_checkpoint(
    train_pair: Callable[..., None], tmp_path: Path
) -> None:
    train_pair("data.nan_at=7", EVERY, "trainer.logger=csv", run_dir=tmp_path / "run", code=1)
    good = read_checkpoint(tmp_path / "run" / LAST)
    assert 0 < good["global_step"] < 4, "the row is in the first epoch of four steps"
    assert all(torch.isfinite(value).all() for value in good["state_dict"].values())


def test_a_number_is_taken_once() -> None:
    later = DelayedMax()
    assert later.take() == 0
    later.put(torch.tensor(3.0))
    assert [later.take(), later.take()] == [3, 0]


@table("every", [-1, 1.5, "often", True])
def test_refuses_what_is_no_number_of_steps(every: Any, toy_fit: Callable[..., Path]) -> None:
    with pytest.raises(RecipeError, match=r"trainer\.nan_guard"):
        toy_fit(f"trainer.nan_guard={every}")


def test_weights_are_checked_before_a_checkpoint_without_the_guard(
    toy_fit: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="weights at step"):
        toy_fit("data.nan_at=7", "trainer.nan_guard=0", EVERY)


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


def test_a_validation_that_counts_nothing_is_named(tmp_path: Path) -> None:
    options = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
    trainer = L.Trainer(callbacks=[RunCheckpoint()], default_root_dir=tmp_path, **options)
    with quiet(), pytest.warns(UserWarning, match="val_loss is nan: this validation chooses no"):
        trainer.validate(task(2), [torch.full((2, 8), torch.nan)], verbose=False)
    assert not (tmp_path / BEST).exists()
