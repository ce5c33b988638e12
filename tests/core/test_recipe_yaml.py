"""Every wrong scalar of YAML is an error of the recipe, which names the line."""

import errno
import os

import pytest
from case_table import table

from scionwood.errors import RecipeError
from scionwood.recipes.recipe_file import LIMIT, read_yaml, split_override

WRONG = {
    "int": "!!int foo",
    "empty int": "!!int ''",
    "float": "!!float foo",
    "empty float": "!!float ''",
    "bool": "!!bool perhaps",
    "timestamp": "!!timestamp foo",
    "no such day": "!!timestamp 2001-99-99",
    "5,000 digits": "9" * 5000,
    "5,000 hexadecimal digits": "0x" + "f" * 5000,
    "octal": "010",
    "base 60": "1:30",
    "real of base 60": "0:0.2",
    "class": "!!python/object:os.system {}",
    "deep": "[" * 1000,
}


@table("value", WRONG.values(), ids=WRONG)
def test_a_wrong_scalar_is_an_error_of_the_recipe(tmp_path, value):
    path = tmp_path / "recipe.yaml"
    path.write_text(f"task: a/b\nseed: {value}\n")
    with pytest.raises(RecipeError, match=r"recipe.yaml: not a YAML file") as caught:
        read_yaml(path)
    if not value.startswith("["):
        assert "line 2" in caught.value.rule
    with pytest.raises(RecipeError, match=r"override .--seed=.*its value is not YAML") as caught:
        split_override(f"--seed={value}")
    assert len(str(caught.value)) < 1000


def test_whole_numbers_of_a_recipe_keep_their_value(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(f"a: {2**64}\nb: 0x10\nc: 1_000\nd: -7\n")
    assert read_yaml(path) == {"a": 2**64, "b": 16, "c": 1000, "d": -7}


@table(
    ("text", "words"),
    [
        ("task: [", "not a YAML file"),
        ("- a\n- b\n", "mapping"),
        ("a: 1\na: 2\n", "given twice"),
        ("a: &x {b: 1}\nc: *x\n", "aliases"),
        ("a: !!python/object/apply:os.system ['true']\n", "not a YAML file"),
        ("task: {class_path: os.system}\n", "class_path"),
        ("trainer: {callbacks: [{init_args: {}}]}\n", "class_path"),
        ("\x00", "not a YAML file"),
        ("a: {1: x, 2: y, 1: z}\n", "the key 1 is given twice"),
        ("? [1]\n: x\n", "unhashable key"),
        ("#" * (LIMIT + 1), "at most"),
    ],
)
def test_refuses_a_file_that_is_not_a_recipe(tmp_path, text, words):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=words) as caught:
        read_yaml(path)
    assert "bad.yaml" in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error_of_the_recipe(tmp_path):
    with pytest.raises(RecipeError, match="it cannot be read"):
        read_yaml(tmp_path / "absent.yaml")
    with pytest.raises(RecipeError, match="it cannot be read"):
        read_yaml(tmp_path)
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    with pytest.raises(RecipeError, match=f"it cannot be read.*{os.strerror(errno.ELOOP)}"):
        read_yaml(tmp_path / "loop.yaml")
