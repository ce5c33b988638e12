"""Every logger gets the recipe, the hash of the base, the score and the figures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch.loggers import CSVLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from scionwood.errors import RecipeError
from scionwood.recipes.recipe import resolve
from scionwood.training import fit
from scionwood.training.checkpoint import LAST, read_checkpoint
from scionwood.training.loggers import comet, mlflow
from scionwood.training.metrics import read_metrics

Fit = Callable[..., Path]


def best(run: Path) -> float:
    rows = read_metrics(run / "metrics.csv")
    return min(float(row["val_loss"]) for row in rows if "val_loss" in row)


def test_tensorboard_gets_recipe_hash_score_and_figures(toy_fit: Fit) -> None:
    run = toy_fit("trainer.logger=tensorboard")
    board = EventAccumulator(str(run / "tensorboard"), purge_orphaned_data=False)
    board.Reload()
    assert [event.value for event in board.Scalars("hp_metric")] == [pytest.approx(best(run))]
    assert sorted(board.Tags()["images"]) == ["metrics", "prediction"]
    given = yaml.safe_load((run / "tensorboard" / "hparams.yaml").read_text("utf-8"))
    assert given["base_sha256"] == read_checkpoint(run / LAST)["base_sha256"]
    own = yaml.safe_load((run / "recipe.yaml").read_text("utf-8"))
    assert {key: given[key] for key in own} == own


def test_a_logger_of_ones_own_gets_them_too(tmp_path: Path) -> None:
    recipe = resolve("toy/regress", ["trainer.logger=csv", "trainer.max_steps=3"])
    own = CSVLogger(tmp_path / "own", flush_logs_every_n_steps=1)
    run = fit(recipe, run_dir=tmp_path / "run", loggers=[own])
    given = yaml.safe_load((Path(own.log_dir) / "hparams.yaml").read_text("utf-8"))
    assert given["task"]["lr"] == 0.01
    rows = (Path(own.log_dir) / "metrics.csv").read_text("utf-8")
    assert "train_loss" in rows
    assert str(best(run))[:6] in rows, "hp_metric"


@pytest.mark.parametrize(
    ("logger", "name"), [(mlflow, "MLFLOW_TRACKING_URI"), (comet, "COMET_API_KEY")]
)
def test_a_key_that_the_environment_lacks_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, logger: Callable[..., Any], name: str
) -> None:
    monkeypatch.delenv(name, raising=False)
    with pytest.raises(RecipeError, match=f"environment variable {name}"):
        logger(folder=tmp_path, offline=False)


@pytest.mark.slow
def test_wandb_leaves_an_offline_run_in_the_folder(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    options = ["--run", "run", "--smoke", "--trainer.logger", "wandb"]
    command = [sys.executable, "-m", "scionwood.cli", "fit", "seismic/denoise", *options]
    environment = {**os.environ, "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (offline,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    (record,) = offline.glob("run-*.wandb")
    content = record.read_bytes()
    for word in (b"base_sha256", b"seismic/synthetic", b"train_loss", b"hp_metric"):
        assert word in content, word
    images = {path.name.partition("_")[0] for path in offline.rglob("media/images/*.png")}
    assert "metrics" in images
    assert not list(offline.rglob("*.ckpt"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"], "nothing beside the folder"
