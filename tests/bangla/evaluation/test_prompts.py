"""The hand-written prompts are balanced over the levels, and differ from generated requests."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from case_table import table

from scionwood_bangla.checker.restate import is_right
from scionwood_bangla.evaluation.baselines import ANSWERS
from scionwood_bangla.evaluation.measures import table_of, values
from scionwood_bangla.evaluation.prompts import prompts
from scionwood_bangla.evaluation.text_metrics import words
from scionwood_bangla.generator.make import examples
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.text.normalise import normalise

RUN = 5
"""The number of consecutive words that a prompt must not share with the generator."""


@table(("half", "count", "hard"), [("dev", 90, 17), ("test", 60, 9), ("inferred", 30, 0)])
def test_prompts_are_balanced_over_the_levels(half, count, hard):
    items = prompts(half=half)
    assert Counter(item.expected for item in items) == dict.fromkeys(LEVELS, count // 3)
    assert len({item.text for item in items}) == count
    assert len(prompts("hard", half)) == hard == count - len(prompts("plain", half))


def test_prompts_are_normalised_and_accept_their_reference():
    assert len({item.text for item in prompts()}) == 180
    for item in prompts():
        assert (normalise(item.text), normalise(item.reference)) == (item.text, item.reference)
        assert is_right(item.reference, frozenset({item.expected})), item.reference
        assert item.expected in item.levels
        hints = ("relation", "occasion", "setting")
        assert item.cue in (hints if item.half == "inferred" else ("named", "implied"))
        if item.cue == "named":
            assert item.levels == {item.expected}


@pytest.mark.parametrize(("method", "match"), [("always_apni", 1 / 3), ("always_tumi", 0.5)])
def test_one_answer_to_everything_is_mostly_wrong(method, match):
    items = prompts(half="dev")
    table = table_of(
        [ANSWERS[method]] * 90,
        [item.reference for item in items],
        [item.levels for item in items],
        [True] * 90,
    )
    scores = {value.measure: value for value in values(table)}
    assert scores["consistent"].value == 1.0
    assert scores["register_match"].value == pytest.approx(match, abs=0.01)
    assert scores["register_match"].low < match < scores["register_match"].high
    if method == "always_apni":
        assert scores["over_formal"].value == pytest.approx(2 / 3)


def test_no_prompt_shares_five_words_in_a_row_with_the_generator():
    made = {run for each in examples(1500, seed=0, which="all") for run in _runs(each)}
    for item in prompts():
        assert not made & set(_word_runs(item.text)), item.text


def _runs(example):
    return _word_runs(" ".join(turn.content for turn in example.prompt))


def _word_runs(text):
    own = words(text)
    return [tuple(own[at : at + RUN]) for at in range(len(own) - RUN + 1)]


ROOT = Path(__file__).parents[3]


def test_the_page_of_generations_shows_requests_before_and_after() -> None:
    page = (ROOT / "docs" / "results" / "bangla_generations.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if "| ✓" in line or "| ✗" in line]
    shown = [item for item in prompts() if item.text.replace("\n", "<br>") in page]
    assert len(shown) == 36
    assert len(rows) == 48
    assert "drawn by seed 0" in page
