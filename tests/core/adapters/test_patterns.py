"""`check_pattern` accepts fast patterns and refuses those that could run for long."""

import re
import time

import pytest
from adapter_nets import Net
from case_table import table
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig

from scionwood.adapters import attach
from scionwood.adapters.patterns import check_pattern, check_patterns, literal
from scionwood.errors import AdapterError
from scionwood_sandbox.linear import Patterns

NAMES = [f"encoder.layers.{i}.attention.{part}" for i in range(40) for part in ("query", "out")]


@table(
    "pattern",
    [
        r"blocks\.\d+\.attn\.(qkv|proj)",
        r".*\.attention\.(query|key|value|out)",
        r"(encoder|decoder)\.layers\.\d+\.(attention|mlp)\.(q|k|v|o)(_proj)?",
        r".*layers\.[0-9]+\..*",
        literal(NAMES),
    ],
)
def test_accepts_common_patterns(pattern):
    check_pattern(pattern, "targets", NAMES)


@table(
    "pattern",
    [
        "(a+)+b",
        "(([a-z_.0-9])+)+X",
        "(a|a)*b",
        "(.|.)" * 30 + "X",
        ".?" * 40 + "X",
        ".{0,30}" * 12 + "X",
        "a(",
        "x" * 600 + "(",
        "a{99999999999}",
        "(?x:([a-z_.0-9]+)#\n+X)",
        "(?ix)([a-z_.0-9]+)#\n+X",
    ],
)
def test_refuses_patterns_that_could_run_for_long(pattern):
    with pytest.raises(AdapterError, match="targets"):
        check_pattern(pattern, "targets", NAMES)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(["e", ".", ".*", "(", ")", "|", "?", "+", "{1,9}", "X"]), max_size=20)
)
def test_an_accepted_pattern_is_fast_on_every_name(parts):
    pattern = "".join(parts)
    try:
        check_pattern(pattern, "targets", NAMES)
    except AdapterError:
        return
    started = time.process_time()
    for name in NAMES:
        re.fullmatch(pattern, name)
    assert time.process_time() - started < 3


def test_a_literal_matches_only_its_names():
    pattern = literal(["a.b", "c-d"])
    assert [bool(re.fullmatch(pattern, n)) for n in ("a.b", "c-d", "aXb", "a", "a.bc")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@table("place", ["targets", "exclude_modules", "rank_pattern", "layers_pattern"])
def test_a_repeat_that_a_comment_hides_is_refused_in_every_option(place):
    hidden = "(?x:([a-z_.0-9]+)#\n+X)"
    config = LoraConfig(r=2, target_modules=["fc1"])
    if place == "layers_pattern":
        config.layers_to_transform, config.layers_pattern = [0], hidden
    elif place != "targets":
        setattr(config, place, {hidden: 4} if place == "rank_pattern" else hidden)
    with pytest.raises(AdapterError, match="verbose mode"):
        attach(Net(), config, targets=hidden if place == "targets" else None)


def test_bounded_patterns_are_bounded_together():
    keys = {f"(?=.)a*.*{n}": 4 for n in range(1000)}
    check_pattern(next(iter(keys)), "rank_pattern", NAMES, prefixed=True)
    config = LoraConfig(rank_pattern=keys)
    with pytest.raises(AdapterError, match="beside the other patterns"):
        check_patterns(config, NAMES)


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
        check_pattern(pattern, "targets", NAMES)
        linear = Patterns(NAMES, AdapterError).compile(pattern, "targets")
    except AdapterError:
        return
    for name in (*NAMES[:3], "e", "en", "nen", "a.0"):
        assert bool(linear.fullmatch(name)) == bool(re.fullmatch(pattern, name))
