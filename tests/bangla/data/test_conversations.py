"""The conversations of the package: at their levels, one level alone, and how many there are."""

from __future__ import annotations

import pytest
from case_table import table

from bangla_checker import is_right
from scionwood import RecipeError, resolve
from scionwood_bangla.data.conversations import Generated, shipped


@table("level", ["tui", "tumi", "apni"])
def test_every_example_has_the_level(level):
    data = Generated(n_train=40, n_val=5, n_test=10, levels=[level])
    for split, count in (("train", 40), ("val", 5), ("test", 10)):
        examples = data.examples(split)
        assert len(examples) == count
        assert {example.register for example in examples} == {frozenset({level})}


def test_an_unknown_level_is_refused_and_the_recipe_names_one():
    with pytest.raises(RecipeError, match="some of tui, tumi, apni"):
        Generated(levels=["vous"])
    assert resolve("bangla/attribute_control").data.options["levels"] == ["apni"]


def test_the_package_has_answers_at_their_level():
    train, unseen = shipped("train"), shipped("unseen")
    assert (len(train), len(unseen)) == (8000, 600)
    for row in [*train[::200], *unseen[::20]]:
        assert is_right(row.completion, row.register)
    assert Generated(n_train=9).examples("train") == list(train[:9])
    assert Generated(n_train=9, seed=1).examples("train") != list(train[:9])
    with pytest.raises(RecipeError, match="the package has 8,000"):
        Generated(n_train=8001).examples("train")


def test_a_judge_counts_the_answers_at_the_level_of_their_rows():
    answers, batch = ["আপনি আসুন।", "তুমি এসো।"], {"register": ["apni", "tui"]}
    assert Generated().judge(answers, batch) == {"register_match": 0.5}
