"""The arguments of `fit` in Python: overrides, callbacks and loggers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from case_table import table
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger

from scionwood import fit, resolve
from scionwood.errors import RecipeError

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
