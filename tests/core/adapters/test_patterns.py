"""`check_pattern` accepts fast patterns and refuses those that could run for long."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scionwood.adapters.targets import check_pattern, literal
from scionwood.errors import AdapterError

NAMES = [f"encoder.layers.{i}.attention.{part}" for i in range(40) for part in ("query", "out")]


@pytest.mark.parametrize(
    "pattern",
    [
        r"blocks\.\d+\.attn\.(qkv|proj)",
        r".*\.attention\.(query|key|value|out)",
        r"(encoder|decoder)\.layers\.\d+\.(attention|mlp)\.(q|k|v|o)(_proj)?",
        r".*layers\.[0-9]+\..*",
        literal(NAMES),
    ],
)
def test_accepts_common_patterns(pattern: str) -> None:
    check_pattern(pattern, "targets", NAMES)


@pytest.mark.parametrize(
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
    ],
)
def test_refuses_patterns_that_could_run_for_long(pattern: str) -> None:
    with pytest.raises(AdapterError, match="targets"):
        check_pattern(pattern, "targets", NAMES)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(["e", ".", ".*", "(", ")", "|", "?", "+", "{1,9}", "X"]), max_size=20)
)
def test_an_accepted_pattern_is_fast_on_every_name(parts: list[str]) -> None:
    pattern = "".join(parts)
    try:
        check_pattern(pattern, "targets", NAMES)
    except AdapterError:
        return
    started = time.process_time()
    for name in NAMES:
        re.fullmatch(pattern, name)
    assert time.process_time() - started < 3


def test_a_literal_matches_only_its_names() -> None:
    pattern = literal(["a.b", "c-d"])
    assert [bool(re.fullmatch(pattern, n)) for n in ("a.b", "c-d", "aXb", "a", "a.bc")] == [
        True,
        True,
        False,
        False,
        False,
    ]
