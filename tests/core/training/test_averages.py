"""Averages of the weights: what is validated and exported is the average, and the card says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from run_column import column
from torch import Tensor

from scionwood.errors import TrainingError
from scionwood.recipes.recipe import resolve
from scionwood.training import fit, load_run
from scionwood.training.checkpoint import BEST, LAST, read_checkpoint

Fit = Callable[..., Path]
EMA = "{name: ema, decay: 0.8}"
SWA = "{name: swa, swa_epoch_start: 0.5, swa_lrs: 0.03, annealing_epochs: 2}"
# The start as a share depends on the planned steps, which a cut run has fewer of.
SECOND = SWA.replace("0.5", "2")
HARD = ("data.n=40", "data.jitter=0.1", "backbone.dropout=0.2")  # five steps an epoch


class Weights(Callback):
    """Keep the weights and the rate of each step, and whether an epoch ended with it."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Tensor]] = []
        self.rates: list[float] = []
        self.epochs: list[int] = []

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        named = pl_module.named_parameters()
        self.steps.append({name: p.detach().clone() for name, p in named if p.requires_grad})
        self.epochs += [len(self.steps) - 1] if trainer.is_last_batch else []

    def on_before_optimizer_step(self, trainer: L.Trainer, *_: Any) -> None:
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


def followed(tmp_path: Path, *overrides: str) -> tuple[Path, Weights]:
    weights = Weights()
    recipe = resolve("toy/regress", ["trainer.logger=csv", *overrides])
    return fit(recipe, run_dir=tmp_path / "run", callbacks=[weights]), weights


def assert_exported(run: Path, expected: dict[str, Tensor]) -> None:
    best = read_checkpoint(run / BEST)["state_dict"]
    assert best.keys() == expected.keys()
    task = dict(load_run(run).named_parameters())
    for name, value in expected.items():
        torch.testing.assert_close(best[name], value, rtol=0, atol=1e-6)
        torch.testing.assert_close(task[name].detach(), value, rtol=0, atol=1e-6)


def moving(steps: list[dict[str, Tensor]], decay: float) -> dict[str, Tensor]:
    average = dict(steps[0])
    for step in steps[1:]:
        average = {name: decay * average[name] + (1 - decay) * step[name] for name in average}
    return average


def mean(steps: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([step[name] for step in steps]).mean(0) for name in steps[0]}


def card(run: Path) -> str:
    return (run / "README.md").read_text("utf-8")


def test_an_ema_is_the_average_of_the_steps_and_is_what_is_exported(tmp_path: Path) -> None:
    run, weights = followed(tmp_path, f"trainer.callbacks=[{EMA}]", "trainer.max_epochs=3")
    best = read_checkpoint(run / BEST)["global_step"]
    assert_exported(run, moving(weights.steps[:best], 0.8))
    last = read_checkpoint(run / LAST)["state_dict"]
    assert all(torch.equal(last[name], value) for name, value in weights.steps[-1].items())
    assert "The exported weights are the exponential moving average" in card(run)
    assert "decay 0.8" in card(run)
    task, data = load_run(run), resolve(run / "recipe.yaml").data.build()
    loss = float((task.backbone(data.val.x) - data.val.y).square().mean())
    assert min(column(run, "val_loss")) == pytest.approx(loss, rel=1e-5)


def test_an_ema_may_begin_late_and_skip_steps(tmp_path: Path) -> None:
    late = "{name: ema, decay: 0.5, update_every_n_steps: 3, update_starting_at_step: 6}"
    run, weights = followed(
        tmp_path, f"trainer.callbacks=[{late}]", "trainer.max_epochs=2", "task.lr=0.1"
    )
    assert read_checkpoint(run / BEST)["global_step"] == 16, "raw weights compete no longer"
    assert_exported(run, moving([weights.steps[n - 1] for n in (6, 9, 12, 15)], 0.5))


@pytest.mark.parametrize(("average", "epochs"), [(EMA, 0), ("{name: swa, swa_epoch_start: 1}", 2)])
def test_without_a_validation_the_last_average_is_exported(
    tmp_path: Path, average: str, epochs: int
) -> None:
    run, weights = followed(
        tmp_path, f"trainer.callbacks=[{average}]", "trainer.limit_val_batches=0"
    )
    ends = [weights.steps[n] for n in weights.epochs]
    assert_exported(run, mean(ends) if epochs else moving(weights.steps, 0.8))
    report = (run / "report.html").read_text("utf-8")
    assert "Nothing was validated." in report
    assert re.search("They are the (exponential moving )?average of the weights", report)


def test_swa_averages_the_ends_of_the_last_epochs_at_its_own_rate(tmp_path: Path) -> None:
    run, weights = followed(tmp_path, f"trainer.callbacks=[{SWA}]", "trainer.max_epochs=6")
    ends = [weights.steps[n] for n in weights.epochs[3:]]
    epoch = read_checkpoint(run / BEST)["global_step"] // 8
    assert_exported(run, mean(ends[: epoch - 3]))
    rates = [weights.rates[n] for n in weights.epochs]
    assert rates == pytest.approx([0.01, 0.01, 0.01, 0.01, 0.02, 0.03])
    assert "The exported weights are the average" in card(run)


def test_swa_that_never_began_leaves_the_weights_and_the_card(tmp_path: Path) -> None:
    run, weights = followed(tmp_path, "trainer.callbacks=[{name: swa, swa_epoch_start: 9}]")
    assert_exported(run, weights.steps[read_checkpoint(run / BEST)["global_step"] - 1])
    assert "exported weights are" not in card(run)


@pytest.mark.parametrize("average", [EMA, SECOND], ids=["ema", "swa"])
@pytest.mark.parametrize("stop", [7, pytest.param(10, marks=pytest.mark.slow)])
def test_a_resumed_average_equals_that_of_an_uninterrupted_run(
    toy_fit: Fit, average: str, stop: int
) -> None:
    options = (*HARD, f"trainer.callbacks=[{average}]", "trainer.max_epochs=4")
    whole = toy_fit(*options, name="whole")
    cut = toy_fit(*options, f"trainer.max_steps={stop}", name="cut")
    toy_fit(*options, resume=cut)
    for file in ("adapter/adapter_model.safetensors", "head.safetensors"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes(), file


def test_what_cannot_be_averaged_is_refused(toy_fit: Fit) -> None:
    with pytest.raises(TrainingError, match="ema and swa"):
        toy_fit("trainer.callbacks=[ema, swa]")
    with pytest.raises(TrainingError, match=r"swa_epoch_start 0\.5.*epoch's number"):
        toy_fit(
            f"trainer.callbacks=[{SWA}]",
            *("trainer.max_epochs=-1", "trainer.max_time={seconds: 5}"),
            name="endless",
        )


@pytest.mark.slow
def test_a_sharded_model_has_no_average(
    train_pair: Callable[..., None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("trainer.strategy=scale/model_parallel", "trainer.callbacks=[ema]")
    train_pair(*options, run_dir=tmp_path / "run", code=1)
    assert "Use trainer.strategy: ddp" in capfd.readouterr().err
