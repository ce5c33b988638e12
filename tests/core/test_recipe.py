"""Recipes: the signature is the schema, and every error names the file, the key and the remedy."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import yaml
from case_table import table

from scionwood import RecipeError
from scionwood.recipes.recipe import resolve, validate
from scionwood.recipes.recipe_file import (
    locate,
    recipes,
    set_dotted,
    split_override,
)
from scionwood.training.precision import native_precision

PLUGIN = """
from pathlib import Path
from typing import Literal
from scionwood import Plugin
plugin = Plugin(
    name="part",
    tasks={"fit": "fake_part:Fit"},
    backbones={"net": "fake_part:net"},
    data={"rows": "fake_part:rows", "files": "fake_part:files"},
)
class Fit:
    def __init__(self, backbone, *, lr: float = 1e-3, mode: Literal["a", "b"] = "a"):
        self.lr = lr
def net(*, width: int = 4, weights: Path | None = None):
    return None
def rows(*, n: int, split: tuple[float, float] = (0.8, 0.2)):
    return None
def files(*, source: str = "", split: tuple[float, float] = (0.8, 0.2)):
    return None
"""

RECIPE = """\
task: {name: part/fit, lr: 3e-4}
backbone: part/net
adapter: {name: lora, r: 4, targets: attention}
data: {name: part/rows, n: 10}
trainer: {max_steps: 4}
smoke: {data.n: 2}
"""


@pytest.fixture
def recipe(distribution, tmp_path):
    distribution("part", PLUGIN, module="fake_part")

    def write(text: str = RECIPE) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(textwrap.dedent(text))
        return path

    return write


def test_a_recipe_resolves_to_components_with_every_option(recipe):
    resolved = resolve(recipe())
    assert resolved.name == "mine"
    assert resolved.task.component.__name__ == "Fit"
    assert resolved.task.options == {"lr": 3e-4, "mode": "a"}
    assert resolved.backbone.options == {"width": 4, "weights": None}
    assert resolved.adapter.options["targets"] == "attention"
    assert resolved.adapter.options["r"] == 4
    assert resolved.trainer == {"max_steps": 4, "precision": native_precision()}
    assert resolved.kernels == "auto"
    assert resolved.seed == 0


def test_a_dumped_recipe_resolves_to_the_same_recipe(recipe, tmp_path):
    resolved = resolve(recipe(), ["backbone.weights=w.safetensors"])
    again = tmp_path / "again.yaml"
    again.write_text(resolved.dump())
    second = resolve(again)
    assert second.backbone.options == {"width": 4, "weights": Path("w.safetensors")}
    assert (second.task, second.data, second.adapter) == (
        resolved.task,
        resolved.data,
        resolved.adapter,
    )


def test_overrides_apply_after_smoke(recipe):
    assert resolve(recipe(), smoke=True).data.options["n"] == 2
    resolved = resolve(recipe(), ["--data.n=7", "task.mode=b", "seed=3"], smoke=True)
    assert resolved.data.options["n"] == 7
    assert resolved.task.options["mode"] == "b"
    assert resolved.seed == 3


@table(
    ("override", "words"),
    [
        ("task.lrr=1", r"mine.yaml: task.*'lrr'.*Did you mean 'lr'"),
        ("tusk.lr=1", r"unknown key 'tusk'.*Did you mean 'task'"),
        ("task.mode=c", r"task.*mode"),
        ("backbone.width=wide", r"backbone.*width"),
        ("backbone.name=part/nett", r"no backbone 'nett'. Did you mean 'net'"),
        ("backbone.name=prt/net", r"plugin 'prt'.*Did you mean 'part'"),
        ("adapter.name=loraa", r"loraa.*Did you mean 'lora'"),
        ("adapter.rr=1", r"adapter.*'rr'"),
        ("adapter.target=x", r"Did you mean 'targets'"),
        ("adapter.targets=[a, b]", r"adapter.targets.*regular expression"),
        ("adapter.target_modules=x", r"targets"),
        ("trainer.max_stepss=1", r"max_stepss.*Did you mean 'max_steps'"),
        ("seed=-1", r"seed -1: an integer"),
        ("data.n=null", r"data.*n"),
    ],
)
def test_names_a_wrong_key_or_value_with_its_remedy(recipe, override, words):
    with pytest.raises((RecipeError, RuntimeError, ValueError), match=words):
        resolve(recipe(), [override])


@pytest.mark.parametrize("missing", ["task", "backbone", "data", "adapter"])
def test_every_slot_is_required(recipe, missing):
    raw = yaml.safe_load(RECIPE)
    del raw[missing]
    with pytest.raises(RecipeError, match=f"{missing}: required"):
        resolve(recipe(yaml.safe_dump(raw)))


@pytest.mark.parametrize(("said", "meant"), [("auto", "auto"), ("off", "off"), ("'off'", "off")])
def test_kernels_are_auto_or_off_and_a_bare_off_is_accepted(recipe, said, meant):
    assert resolve(recipe()).kernels == "auto"
    resolved = resolve(recipe(), [f"kernels={said}"])
    assert resolved.kernels == meant
    assert yaml.safe_load(resolved.dump())["kernels"] == meant
    with pytest.raises(RecipeError, match="auto or off"):
        resolve(recipe(), ["kernels=fast"])


@pytest.mark.parametrize("word", ["memory", "speed", "auto"])
def test_kernels_may_say_whether_inputs_are_computed_again(recipe, word):
    resolved = resolve(recipe(), ["kernels=auto", f"kernels.recompute={word}"])
    assert resolved.kernels == {"recompute": word}
    assert yaml.safe_load(resolved.dump())["kernels"] == {"recompute": word}
    with pytest.raises(RecipeError, match="one of memory, speed, auto"):
        resolve(recipe(), ["kernels.recompute=both"])
    with pytest.raises(RecipeError, match="unknown key 'again'"):
        resolve(recipe(), ["kernels.again=memory"])


def test_a_recipe_keeps_the_precision_that_it_names(recipe):
    assert resolve(recipe(), ["trainer.precision=32-true"]).trainer["precision"] == "32-true"


@pytest.mark.parametrize("smoke", [False, True])
def test_another_component_drops_the_options_that_it_does_not_have(recipe, caplog, smoke):
    text = RECIPE.replace("n: 10}", "n: 10, split: [0.5, 0.5]}")
    changes = ["data.source=here", "data.name=part/files"]  # in any order
    resolved = resolve(recipe(text), changes, smoke=smoke)
    assert resolved.data.options == {"source": "here", "split": (0.5, 0.5)}
    assert "data part/files has no option n, which part/rows of the recipe has" in caplog.text
    with pytest.raises(RecipeError, match="unknown key 'm'"):
        resolve(recipe(text), [*changes, "data.m=3"])


@pytest.mark.parametrize("baseline", ["frozen", "full"])
def test_the_baselines_take_no_options(recipe, baseline):
    text = RECIPE.replace("{name: lora, r: 4, targets: attention}", baseline)
    assert resolve(recipe(text)).adapter.component is None
    with pytest.raises(RecipeError, match="unknown key 'r'"):
        resolve(recipe(text), ["adapter.r=3"])


@pytest.mark.parametrize("value", ["os.system", "{class_path: os.system}", "subprocess.Popen"])
def test_a_value_cannot_name_a_class_to_import(distribution, tmp_path, monkeypatch, value):
    code = "from collections.abc import Callable\ndef part(*, hook: Callable | None = None): ..."
    (tmp_path / "fake_hook.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    import fake_hook

    with pytest.raises(RecipeError):
        validate("here", fake_hook.part, {"hook": yaml.safe_load(value)})


def test_scientific_notation_is_a_number():
    assert split_override("--task.lr=3e-4") == ("task.lr", 3e-4)
    assert split_override("a=1e5") == ("a", 1e5)
    assert split_override("a=e5") == ("a", "e5")


@table("text", ["--task.lr", "=3", "a=[", "a={class_path: x}"])
def test_refuses_a_malformed_override(text):
    with pytest.raises(RecipeError):
        split_override(text)


def test_a_dotted_key_sets_a_value_in_nested_mappings():
    raw = {"task": "part/fit", "seed": 3}
    set_dotted(raw, "task.lr", 1)
    assert raw["task"] == {"name": "part/fit", "lr": 1}
    with pytest.raises(RecipeError, match="holds no keys"):
        set_dotted(raw, "seed.x", 1)


def test_a_recipe_is_found_by_file_or_by_name(tmp_path):
    name, path = locate("toy/regress")
    assert (name, path.name) == ("toy/regress", "regress.yaml")
    assert locate(path) == ("regress", path)
    assert "regress" in recipes("toy")
    with pytest.raises(RecipeError, match="Did you mean 'regress'"):
        locate("toy/regres")
    with pytest.raises(RecipeError, match="no such file"):
        locate(tmp_path / "absent.yaml")
    with pytest.raises(RecipeError, match="plugin/recipe"):
        locate("regress")


def test_a_recipe_has_a_short_text_and_a_table_in_notebooks():
    found = resolve("toy/regress", ["adapter.targets=(<b>|x)"])
    assert repr(found).startswith("Recipe('toy/regress', task='toy/regress', backbone='toy/mlp', ")
    assert len(repr(found).splitlines()) == 1
    assert repr(found.task) == "Slot('toy/regress', 5 options)"
    for page in (found, found.adapter):
        assert "targets" in page._repr_html_()
        assert "(&lt;b&gt;|x)" in page._repr_html_()
        assert "<b>" not in page._repr_html_()
