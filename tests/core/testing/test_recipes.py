"""Recipe checks: a recipe that is not strict, does not run, or does not learn is caught."""

import pytest

from scionwood import Plugin
from scionwood_kit import CheckFailure, NothingToCheck
from scionwood_kit.checks.recipes import (
    check_loss_falls,
    check_recipes_are_complete,
    check_recipes_parse_strictly,
    check_recipes_run,
)

RECIPE = "recipes/reservoir.yaml"
LOSS = 'return {"loss": F.mse_loss(self.predict(batch), batch["response"] / self.scale)}'


@pytest.mark.parametrize("check", [check_recipes_parse_strictly, check_recipes_run])
def test_without_recipes_there_is_nothing_to_check(sample, check):
    sample.change("__init__.py", 'recipes="scionwood_sample.recipes"', "recipes=None")
    with pytest.raises(NothingToCheck, match="no recipes"):
        check(sample.plugin())


def test_without_an_adapter_no_loss_is_expected_to_fall():
    with pytest.raises(NothingToCheck):
        check_loss_falls(Plugin("x"))


def test_a_task_without_a_recipe_is_caught(sample):
    sample.change("__init__.py", 'recipes="scionwood_sample.recipes"', "recipes=None")
    with pytest.raises(CheckFailure, match="task 'respond': no recipe"):
        check_recipes_are_complete(sample.plugin())


def test_a_recipe_with_an_unknown_key_is_caught(sample):
    sample.change(RECIPE, "  width: 32", "  widht: 32")
    with pytest.raises(CheckFailure, match=r"unknown key 'widht'.*Did you mean 'width'"):
        check_recipes_parse_strictly(sample.plugin())


def test_a_smoke_map_is_part_of_the_recipe(sample):
    sample.change(RECIPE, "  data.n_series: 16", "  data.series: 16")
    with pytest.raises(CheckFailure, match="unknown key 'series'"):
        check_recipes_parse_strictly(sample.plugin())


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("init_seed: bytes = b'a')", "its dump is refused"),
        ("init_seed: Any = frozenset({1}))", "backbone.init_seed reads otherwise"),
    ],
)
def test_a_recipe_that_does_not_resolve_to_itself_is_caught(sample, option, message):
    sample.change("backbones.py", "import ClassVar", "import Any, ClassVar")
    sample.change("backbones.py", "init_seed: int = 0)", option)
    with pytest.raises(CheckFailure, match=message):
        check_recipes_parse_strictly(sample.plugin())


def test_a_core_that_gives_no_hint_is_caught(sample, monkeypatch):
    monkeypatch.setattr("scionwood.recipes.recipe.refuse_unknown", lambda *_: None)
    with pytest.raises(CheckFailure, match="task: the error does not name"):
        check_recipes_parse_strictly(sample.plugin())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (LOSS, 'raise WriteError("disk", "is full", "Free it")', "disk: is full"),
        ('return {"loss": F', 'return {"loss": float("nan") * F', "must be finite"),
    ],
)
def test_a_recipe_that_does_not_run_is_caught(sample, old, new, message):
    sample.change("tasks.py", old, new)
    sample.change("tasks.py", "import Optimiser, Task", "import Optimiser, Task, WriteError")
    with pytest.raises(CheckFailure, match=message):
        check_recipes_run(sample.plugin())


def test_an_error_of_the_task_keeps_its_traceback(sample):
    sample.change("tasks.py", LOSS, 'raise ValueError("boom")')
    with pytest.raises(ValueError, match="boom"):
        check_recipes_run(sample.plugin())


def test_a_loss_that_rises_is_caught(sample):
    rising = (
        LOSS.replace("return ", "loss = ")
        + '["loss"]\n        return {"loss": 2 * loss.detach() - loss}'
    )
    sample.change("tasks.py", LOSS, rising)
    with pytest.raises(CheckFailure, match="the loss of the first batch falls in 30 steps"):
        check_loss_falls(sample.plugin())
