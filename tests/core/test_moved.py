"""Old names of components and recipes that moved work, and say the new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

import scionwood
from scionwood import Moved, Plugin, discovery, resolve, survey
from scionwood.recipe_moves import rename_moved
from scionwood.show import describe

RECIPE = """
task: {name: bangla/sft, max_new_tokens: 4}
backbone: bangla/causal_lm
adapter: {name: lora, targets: attention}
data: {name: bangla/generated, n_train: 8}
"""


@pytest.fixture(autouse=True)
def _unsaid() -> Iterator[None]:
    discovery.warn_moved.cache_clear()
    yield
    discovery.warn_moved.cache_clear()


def test_every_moved_name_leads_to_something_that_exists() -> None:
    for entry in scionwood.plugins():
        for name, new in (entry.plugin.moved if entry.plugin else {}).items():
            kind, _, _ = name.partition("/")
            if kind == "recipes":
                assert resolve(new.to, smoke=True).name == new.to
            else:
                assert discovery.reference(kind, new.to)


def test_a_recipe_with_old_names_resolves_to_the_new_ones(tmp_path, capsys) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE, "utf-8")
    recipe = resolve(path, ["task.max_new_tokens=5"])
    assert (recipe.task.name, recipe.backbone.name) == ("language/sft", "language/causal_lm")
    assert recipe.backbone.options["model"] == "scionwood_bangla:weights/tiny"
    said = capsys.readouterr().err
    assert "bangla/sft is now language/sft" in said
    assert "bangla/causal_lm is now language/causal_lm" in said
    assert "name: language/sft" in recipe.dump()


def test_a_value_with_a_new_spelling_is_written_anew() -> None:
    raw = {"backbone": {"name": "bangla/causal_lm", "model": "tiny"}, "task": 3}
    rename_moved(raw, quiet=True)
    assert raw["backbone"]["model"] == "scionwood_bangla:weights/tiny"
    other = {"backbone": {"name": "bangla/causal_lm", "model": "mine/model"}}
    rename_moved(other, quiet=True)
    assert other["backbone"] == {"name": "language/causal_lm", "model": "mine/model"}


def test_the_recipe_of_a_run_says_nothing(tmp_path, capsys) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE, "utf-8")
    (tmp_path / "metrics.csv").write_text("step\n", "utf-8")
    assert resolve(tmp_path / "recipe.yaml").task.name == "language/sft"
    assert not capsys.readouterr().err


def test_an_old_recipe_and_an_old_component_say_the_new_name(capsys) -> None:
    assert resolve("methods/unir", smoke=True).name == "language/unir"
    assert "methods/unir is now language/unir" in capsys.readouterr().err
    assert "language/grpo" in describe("methods/grpo")
    assert "methods/grpo is now language/grpo" in capsys.readouterr().err


def test_a_record_with_moved_names_survives_the_survey() -> None:
    plugin = Plugin("mine", moved={"tasks/a": Moved("other/a", values={"x": {"1": "2"}})})
    assert survey._record(asdict(plugin)) == plugin


def test_a_function_of_a_plugin_has_a_name() -> None:
    read: Callable[..., object] = scionwood.load("functions", "language/read_conversations")
    assert read.__module__ == "scionwood_language.readers.load"
    with pytest.raises(scionwood.PluginError, match="no function 'read'"):
        scionwood.load("functions", "language/read")
