"""The arguments of `fit` in Python: overrides, callbacks and loggers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from case_table import table
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from safetensors.torch import load_file

from scionwood import build, fit, resolve
from scionwood import test as measure
from scionwood.errors import AdapterError, RecipeError, TrainingError

SMALL: dict[str, Any] = {"trainer.max_steps": 1, "trainer.enable_progress_bar": False}


class Seen(Callback):
    """Remembers the rate of the task, and the loggers."""

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self.lr = pl_module.lr
        self.loggers = [type(logger).__name__ for logger in trainer.loggers]


def fitted(place: Path, recipe: Any = "toy/regress", **arguments: Any) -> Seen:
    seen = Seen()
    overrides = {**SMALL, **arguments.pop("overrides", {})}
    fit(recipe, run_dir=place, callbacks=[seen], overrides=overrides, **arguments)
    return seen


def test_overrides_change_a_name_and_a_resolved_recipe_alike(tmp_path: Path) -> None:
    given = resolve("toy/regress", ["adapter.r=3", "trainer.logger=csv"])
    assert fitted(tmp_path / "a", overrides={"task.lr": 3e-4}, logger=False).lr == 3e-4
    assert fitted(tmp_path / "b", given, overrides={"task.lr": 3e-4}).lr == 3e-4
    assert given.task.options["lr"] == 1e-2, "the recipe stays as it is"
    again = resolve(tmp_path / "b" / "recipe.yaml")
    assert (again.adapter.options["r"], again.task.options["lr"]) == (3, 3e-4)


BOARD, CSV = "TensorBoardLogger", "CSVLogger"


@table(
    ("arguments", "loggers"),
    [
        pytest.param({"logger": "object"}, [BOARD, CSV], id="added to those of the recipe"),
        ({"logger": "tensorboard"}, [BOARD]),
        ({"logger": ["csv", "object"]}, [CSV]),
        ({"logger": {"name": "tensorboard"}}, [BOARD]),
        ({"logger": False}, []),
        ({"logger": False, "loggers": ["object"]}, [CSV]),
    ],
    parts=3,
)
def test_a_logger_is_an_object_a_name_or_a_list_of_both(
    arguments: dict[str, Any], loggers: list[str], tmp_path: Path
) -> None:
    instance = CSVLogger(tmp_path / "own")
    values = {
        key: instance
        if value == "object"
        else [instance if item == "object" else item for item in value]
        if isinstance(value, list)
        else value
        for key, value in arguments.items()
    }
    assert fitted(tmp_path / "run", **values).loggers == loggers


def test_a_logger_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"logger: 'wandbb'.*wandb"):
        fitted(tmp_path / "run", logger="wandbb")
    assert not (tmp_path / "run").exists()


SHORT = ("trainer.max_steps=2", "trainer.logger=false")


class Counting(Callback):
    def __init__(self) -> None:
        self.models: list[torch.nn.Module] = []

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_) -> None:
        self.models.append(pl_module.backbone)


def adapter(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "adapter" / "adapter_model.safetensors")


def test_a_given_backbone_continues_to_train(tmp_path: Path) -> None:
    recipe, counting = resolve("toy/regress", SHORT), Counting()
    model = build(recipe)[0].backbone
    first = fit(recipe, run_dir=tmp_path / "first", backbone=model)
    second = fit(recipe, run_dir=tmp_path / "second", backbone=model, callbacks=[counting])
    alone = fit(recipe, run_dir=tmp_path / "alone")
    assert counting.models == [model, model]
    assert any(not torch.equal(adapter(first)[k], v) for k, v in adapter(second).items())
    assert adapter(second).keys() == adapter(alone).keys()


def test_only_the_adapter_that_trains_is_written_if_several_are_active(tmp_path: Path) -> None:
    recipe = resolve("toy/regress", SHORT)
    model = build(recipe)[0].backbone
    model.add_adapter("past", model.peft_config["default"])
    model.base_model.set_adapter(["default", "past"])
    with pytest.raises(AdapterError, match="one must be chosen"):
        fit(recipe, run_dir=tmp_path / "both", backbone=model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and ".past." not in name)
    run = fit(recipe, run_dir=tmp_path / "run", backbone=model)
    trained = dict(model.named_parameters())
    for key, value in adapter(run).items():
        assert torch.equal(value, trained[key.replace(".weight", ".default.weight")])


def test_a_run_is_measured_by_another_recipe(tmp_path: Path) -> None:
    run = fit(resolve("toy/regress", SHORT), run_dir=tmp_path / "run")
    same = measure(run, resolve("toy/regress", SHORT))
    assert same == measure(run)
    assert measure(run, resolve("toy/regress", [*SHORT, "data.data_seed=7"])) != same
    with pytest.raises(TrainingError, match="backbone is not that of the run"):
        measure(run, resolve("toy/regress", [*SHORT, "backbone.depth=3"]))
