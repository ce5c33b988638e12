"""Patterns of a config become the names that they match."""

import re

import pytest
from adapter_nets import Net
from case_table import table
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig

from scionwood.adapters import attach
from scionwood.adapters.patterns import literal
from scionwood.errors import AdapterError
from scionwood_sandbox.linear import Patterns

NAMES = [f"encoder.layers.{i}.attention.{part}" for i in range(40) for part in ("query", "out")]


def test_a_literal_matches_only_its_names() -> None:
    pattern = literal(["a.b", "c-d"])
    assert [bool(re.fullmatch(pattern, n)) for n in ("a.b", "c-d", "aXb", "a", "a.bc")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@table("pattern", ["a(", "(?!e)("])
def test_a_pattern_that_does_not_compile_is_named(pattern: str) -> None:
    with pytest.raises(AdapterError, match="target_modules"):
        attach(Net(), LoraConfig(r=2), targets=pattern)


def test_a_lookahead_of_ones_own_config_still_works():
    tuned = attach(Net(), LoraConfig(r=2, target_modules=r"(?!blocks\.0).*fc1"))
    names = [name for name, _ in tuned.named_parameters() if "lora_A" in name]
    assert names == ["base_model.model.blocks.1.fc1.lora_A.default.weight"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["e", "n", ".", "\\.", "\\d", ".*", "(", ")", "|", "?", "+", "*", "[a-k]"]),
        max_size=12,
    )
)
def test_linear_time_gives_the_matches_of_python(parts):
    pattern = "".join(parts)
    try:
        linear = Patterns(NAMES, AdapterError).compile(pattern, "targets")
        re.compile(pattern)  # `(?)` has a meaning in linear time alone
    except (AdapterError, re.error):
        return
    for name in (*NAMES[:3], "e", "en", "nen", "a.0"):
        assert bool(linear.fullmatch(name)) == bool(re.fullmatch(pattern, name))
