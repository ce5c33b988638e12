"""One level of address as an attribute: the data hold this level alone."""

from __future__ import annotations

import pytest
from case_table import table

from scionwood import RecipeError, resolve
from scionwood_bangla.data.conversations import Generated


@table("level", ["tui", "tumi", "apni"])
def test_every_example_has_the_level(level: str) -> None:
    data = Generated(n_train=40, n_val=5, n_test=10, levels=[level])
    for split, count in (("train", 40), ("val", 5), ("test", 10)):
        examples = data.examples(split)
        assert len(examples) == count
        assert {example.register for example in examples} == {frozenset({level})}


def test_an_unknown_level_is_refused_and_the_recipe_names_one() -> None:
    with pytest.raises(RecipeError, match="some of tui, tumi, apni"):
        Generated(levels=["vous"])
    assert resolve("bangla/attribute_control").data.options["levels"] == ["apni"]
