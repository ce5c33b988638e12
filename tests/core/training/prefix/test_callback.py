"""A run with the cache ends with the same weights, or says why it cannot use the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from case_table import table
from torch import Tensor

from scionwood import Task
from scionwood.errors import AdapterError, TrainingError
from scionwood.recipes.recipe import resolve
from scionwood.training.run import build
from scionwood.training.trainer import quiet
from scionwood_scale.prefix.callback import PrefixCache

TOY = ["backbone.depth=4", r"adapter.targets='blocks\.3\.linear'"]


class Squared(Task):
    """The toy's task with different ways of calling the backbone."""

    noise = 0.0
    parts = False

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        x, y = batch
        x = x + self.noise * torch.randn_like(x)
        return {"loss": (self._run(x) - y).square().mean()}

    def _run(self, x: Tensor) -> Tensor:
        if not self.parts:
            return self.backbone(x)
        base = self.backbone.get_base_model()
        for block in [base.stem, *base.blocks, base.readout]:
            x = block(x)
        return x


def fit(
    cache: PrefixCache | None,
    *overrides: str,
    epochs: int = 3,
    run: Path | None = None,
    **ways: Any,
) -> tuple[dict[str, Tensor], Squared]:
    """Train the toy, and return the trained weights and the task."""
    L.seed_everything(0, verbose=False)
    built, data = build(resolve("toy/regress", [*TOY, *overrides]))
    task = Squared(built.backbone, lr=1e-2)
    vars(task).update(ways)
    with quiet():
        trainer = L.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            default_root_dir=run,
            callbacks=[] if cache is None else [cache],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(task, datamodule=data)
    return {n: p.detach() for n, p in task.named_parameters() if p.requires_grad}, task


def hooks(task: Task) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in task.modules())


@pytest.mark.parametrize("workers", ["data.num_workers=0", "data.num_workers=1"])
def test_a_run_ends_with_the_same_weights(workers: str) -> None:
    expected, _ = fit(None, workers)
    weights, task = fit(PrefixCache(), workers)
    for name, value in expected.items():
        assert torch.allclose(weights[name], value, rtol=1e-5, atol=1e-7), name
    assert hooks(task) == 0, "the model is left as it was"


def test_a_second_run_uses_the_features_of_the_first(tmp_path: Path) -> None:
    expected, _ = fit(PrefixCache(folder="features"), run=tmp_path)
    (rows,) = tmp_path.rglob("*.rows")
    size = rows.stat().st_size
    weights, _ = fit(PrefixCache(folder="features", dtype="own"), run=tmp_path)
    assert list(tmp_path.rglob("*.rows")) == [rows]
    assert rows.stat().st_size == size
    assert all(torch.allclose(weights[name], expected[name], rtol=1e-5) for name in expected)


@table(
    ("overrides", "ways", "error", "message"),
    [
        (["data.jitter=0.1"], {}, TrainingError, "of Rows.*augmented at random"),
        (["backbone.dropout=0.1"], {}, AdapterError, r"blocks\.0\.dropout.*drops values at random"),
        (["adapter.targets=blocks"], {}, AdapterError, "no frozen prefix"),
        (
            [],
            {"parts": True},
            TrainingError,
            "stored nothing: the backbone is not called as a whole",
        ),
    ],
    ids=["data", "dropout", "targets", "parts"],
)
def test_features_that_cannot_be_cached_stop_the_run_at_the_first_step(
    overrides: list[str], ways: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit(PrefixCache(), *overrides, **ways)


def test_a_task_that_changes_its_samples_warns_and_trains_without_the_cache() -> None:
    expected, _ = fit(None, noise=0.1)
    with pytest.warns(UserWarning, match="not one of 128 samples came a second time"):
        weights, task = fit(PrefixCache(), noise=0.1)
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert hooks(task) == 0


def test_a_run_without_a_second_epoch_is_silent(recwarn: pytest.WarningsRecorder) -> None:
    fit(PrefixCache(blocks=["blocks.0", "blocks.1"]), epochs=1)
    assert not recwarn


def test_an_unknown_dtype_and_a_small_budget_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"'int8'.*own, float32, bfloat16"):
        PrefixCache(dtype="int8")
    with pytest.raises(TrainingError, match=r"64 samples take .*Raise the budget"):
        fit(PrefixCache(budget_gb=1e-6))


@table("way", ["absolute", "dots", "link"])
def test_a_folder_outside_of_the_run_is_refused(tmp_path: Path, way: str) -> None:
    secret, run = tmp_path / "secret", tmp_path / "run"
    secret.mkdir()
    run.mkdir()
    (run / "linked").symlink_to(secret)
    folder = {"absolute": str(secret), "dots": "../secret", "link": "linked"}[way]
    with pytest.raises(TrainingError, match=r"prefix_cache: folder .*outside of the run folder"):
        fit(PrefixCache(folder=folder), run=run)
    assert not list(secret.iterdir())


def test_features_lie_in_the_run_folder(toy_fit: Callable[..., Path]) -> None:
    callback = "trainer.callbacks=[{name: scale/prefix_cache, folder: features}]"
    deep = ["backbone.depth=4", r"adapter.targets='blocks\.3\.linear'"]
    run = toy_fit("trainer.max_epochs=2", callback, *deep)
    assert list((run / "features").rglob("*.rows"))
