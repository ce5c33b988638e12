"""A resumed run equals the uninterrupted run bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from scionwood.recipes.recipe import Slot, resolve
from scionwood.training import fit
from scionwood.training.checkpoint import LAST, read_checkpoint
from scionwood.training.metrics import read_metrics

FILES = ("metrics.csv", "adapter/adapter_model.safetensors", "head.safetensors")
# Forty rows in batches of eight: five steps an epoch.
HARD = ("data.n=40", "data.jitter=0.1", "backbone.dropout=0.2")

CASES = {
    "mid-epoch": (3, ["trainer.max_epochs=3"]),
    "end of the first epoch": (5, ["trainer.max_epochs=3"]),
    "end of a later epoch": (10, ["trainer.max_epochs=3"]),
    "mid-epoch, two workers": (7, ["trainer.max_epochs=3", "data.num_workers=2"]),
    "end of an epoch, two workers": (5, ["trainer.max_epochs=3", "data.num_workers=2"]),
    "run by steps, end of an epoch": (5, ["trainer.max_steps=12"]),
    "run by steps, mid-epoch": (8, ["trainer.max_steps=12"]),
    "accumulating gradients": (3, ["trainer.max_epochs=3", "trainer.accumulate_grad_batches=2"]),
    "validating within epochs": (6, ["trainer.max_epochs=3", "trainer.val_check_interval=2"]),
    "not validating": (8, ["trainer.max_epochs=3", "trainer.limit_val_batches=0"]),
    "part of an epoch": (6, ["trainer.max_epochs=4", "trainer.limit_train_batches=3"]),
    # Stopped within the warm-up: after it, a cosine depends on the planned number of steps.
    "warm-up and cosine": (
        2,
        ["trainer.max_epochs=3", "task.schedule=cosine", "task.warmup_steps=3"],
    ),
    "bf16": (4, ["trainer.max_epochs=3", "trainer.precision=bf16-mixed"]),
}


SLOW = {"bf16", "mid-epoch, two workers", "end of an epoch, two workers"}
"""Cases of seconds: a CPU without such units, and processes that import torch."""


@pytest.fixture(scope="module")
def uninterrupted(
    tmp_path_factory: pytest.TempPathFactory, blank_pictures: object
) -> Callable[..., Path]:
    """Return a function that trains to the end; cases with the same options share the run."""

    @cache
    def run(*overrides: str) -> Path:
        recipe = resolve("toy/regress", ["trainer.logger=csv", *HARD, *overrides])
        return fit(recipe, run_dir=tmp_path_factory.mktemp("whole") / "run")

    return run


@pytest.mark.parametrize(
    "case", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in CASES]
)
def test_losses_and_state_equal_those_of_an_uninterrupted_run(
    uninterrupted: Callable[..., Path], toy_fit: Callable[..., Path], case: str
) -> None:
    stop, overrides = CASES[case]
    whole = uninterrupted(*overrides)
    cut = toy_fit(*HARD, *overrides, f"trainer.max_steps={stop}", name="cut")
    assert len(_losses(cut)) == stop

    toy_fit(*HARD, *overrides, resume=cut)

    assert _losses(cut) == _losses(whole)
    assert_same(_resumable(cut), _resumable(whole))
    if case == "end of the first epoch":
        for file in FILES:
            assert (cut / file).read_bytes() == (whole / file).read_bytes(), file
        toy_fit(*HARD, *overrides, resume=cut)  # a finished run stays as it is
        for file in FILES:
            assert (cut / file).read_bytes() == (whole / file).read_bytes(), file


def crashing(slot: Slot, at: int) -> Slot:
    """A task that raises in the training step of one batch."""

    class Crash(slot.component):  # type: ignore[misc, name-defined]
        seen = 0

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            self.seen += 1
            if self.seen == at:
                raise ConnectionError("the cluster went away")
            return super().training_step(batch, batch_idx)

    return replace(slot, component=Crash)


@pytest.mark.parametrize("every", [1, 100])
def test_a_crash_between_accumulated_gradients_changes_nothing(
    toy_fit: Callable[..., Path], tmp_path: Path, every: int
) -> None:
    # Five batches an epoch: steps after batches 2, 4 and 5, a validation after batches 3 and 5.
    options = [*HARD, "trainer.accumulate_grad_batches=2", "trainer.val_check_interval=3"]
    options.append(f"trainer.callbacks=[{{name: checkpoint, every_n_steps: {every}}}]")
    whole = toy_fit(*options, name="whole")
    recipe = resolve("toy/regress", [*options, "trainer.logger=csv"])
    for batch in (2, 4, 6, 9):
        cut = tmp_path / f"cut{batch}"
        with pytest.raises(ConnectionError):
            fit(replace(recipe, task=crashing(recipe.task, batch)), run_dir=cut)
        fit(recipe, resume=cut)
        assert (cut / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes(), batch


def test_early_stopping_continues_to_count_after_a_resume(toy_fit: Callable[..., Path]) -> None:
    patience = "trainer.callbacks=[{name: early_stopping, patience: 2, min_delta: 10.0}]"
    whole = toy_fit("trainer.max_epochs=9", patience, name="whole")
    cut = toy_fit("trainer.max_epochs=2", patience, name="cut")
    toy_fit("trainer.max_epochs=9", patience, resume=cut)
    assert len(_losses(whole)) == 3 * 8, "the first validation counts as better than none"
    assert _losses(cut) == _losses(whole)
    toy_fit("trainer.max_epochs=9", patience, resume=cut)
    assert _losses(cut) == _losses(whole), "a run that stopped early stays stopped"


def _losses(run: Path) -> list[tuple[str, str]]:
    rows = read_metrics(run / "metrics.csv")
    return [(row["step"], row["train_loss"]) for row in rows if "train_loss" in row]


def _resumable(run: Path) -> dict[str, Any]:
    checkpoint = read_checkpoint(run / LAST)
    keys = ("state_dict", "optimizer_states", "lr_schedulers", "scionwood", "global_step")
    return {key: checkpoint[key] for key in keys}


def assert_same(a: Any, b: Any) -> None:
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            assert_same(left, right)
    else:
        assert a == b
