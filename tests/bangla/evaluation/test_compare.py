"""An evaluation compares an adapter with prompting its base, by level, with paired intervals."""

import csv
import json

import pytest
import torch
from peft import LoraConfig

from scionwood import OutputExistsError, RecipeError, attach
from scionwood_bangla import Decoding, Writer
from scionwood_bangla.evaluation.baselines import (
    ANSWERS,
    METHODS,
    draw_shots,
    prompt_for,
    with_instructions,
)
from scionwood_bangla.evaluation.compare import Plan, Suite, compare, handwritten, held_out
from scionwood_bangla.evaluation.measures import MEASURES
from scionwood_bangla.evaluation.report import SUMMARY_COLUMNS, summary, write
from scionwood_bangla.generator.make import examples
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.model.weights import causal_lm
from scionwood_bangla.text.examples import Message

TRAINING = examples(60, seed=0)
DECODINGS = (Decoding(max_new_tokens=4), Decoding(sampled=True, max_new_tokens=4))


@pytest.fixture(scope="module")
def suites():
    """Six hand-written prompts, two of each level, and six generated ones."""
    items = handwritten().items
    chosen = [item for level in LEVELS for item in items if item.expected == level]
    chosen = [each for at, each in enumerate(chosen) if at % 20 < 2]
    return [Suite("handwritten", chosen), held_out(examples(6, seed=9, which="unseen"))]


@pytest.fixture(scope="module")
def evaluation(suites):
    """All methods on both suites, greedy and sampled, with an adapter of constant weights."""
    tuned = attach(causal_lm(), LoraConfig(r=2), targets="attention")
    with torch.no_grad():
        for weight in (p for p in tuned.parameters() if p.requires_grad):
            weight.fill_(0.05)
    return compare(Writer(tuned), suites, Plan(decodings=DECODINGS, shots=TRAINING[:2]))


def test_every_method_answers_every_prompt_greedily_and_by_samples(evaluation, suites):
    expected = {(suite.name, name, "") for suite in suites for name in ANSWERS}
    expected |= {
        (suite.name, name, decoding.name)
        for suite in suites
        for name in METHODS
        if name not in ANSWERS
        for decoding in DECODINGS
    }
    assert evaluation.answers.keys() == expected
    assert all(len(answers) == 6 for answers in evaluation.answers.values())
    adapter = evaluation.answers["handwritten", "adapter", "greedy"]
    assert adapter != evaluation.answers["handwritten", "zero_shot", "greedy"]


def test_every_measure_has_a_row_for_each_level(evaluation):
    keys = {
        (r["suite"], r["method"], r["decoding"], r["group"], r["measure"]) for r in evaluation.rows
    }
    assert len(keys) == len(evaluation.rows)
    for name in MEASURES:
        for level in ("all", *LEVELS):
            assert ("handwritten", "adapter", "sampled", level, name) in keys
            assert ("held_out", "few_shot", "greedy", level, name) in keys


def test_always_polite_answers_match_only_their_own_level(evaluation):
    match = {
        row["group"]: row["value"]
        for row in evaluation.rows
        if (row["suite"], row["method"], row["measure"])
        == ("held_out", "always_apni", "register_match")
    }
    assert match == {"all": pytest.approx(1 / 3), "tui": 0, "tumi": 0, "apni": 1}


def test_gains_are_over_zero_shot_of_the_same_decoding(evaluation):
    table = {
        (r["suite"], r["method"], r["decoding"], r["group"], r["measure"]): r
        for r in evaluation.rows
    }
    for key, row in table.items():
        if key[1] == "zero_shot":
            assert row["gain"] != row["gain"]
            continue
        base = table[key[0], "zero_shot", key[2] or "greedy", *key[3:]]["value"]
        gain = row["value"] - base
        assert row["gain"] == pytest.approx(gain, nan_ok=True)


def test_prompts_of_few_shot_and_format_prompting():
    item = handwritten().items[0]
    shown = prompt_for("few_shot", item.example, "apni", TRAINING[:2])
    assert shown[:2] == TRAINING[0].messages[:2]
    assert shown[-1] == item.example.prompt[-1]
    (asked,) = prompt_for("format_prompted", item.example, "tui")
    assert asked.content.startswith(item.example.prompt[0].content)
    assert "সম্বোধন: তুই" in asked.content
    assert prompt_for("adapter", item.example, "tui") == item.example.prompt
    with pytest.raises(RecipeError, match="not a level"):
        with_instructions((Message("user", "কেমন আছেন?"),), "vous")


def test_shots_depend_on_the_seed_and_are_balanced_over_the_levels():
    shots = draw_shots(TRAINING, 6, seed=1)
    assert sorted(",".join(shot.register) for shot in shots) == sorted([*LEVELS, *LEVELS])
    assert draw_shots(TRAINING, 6, seed=1) == shots != draw_shots(TRAINING, 6, seed=2)
    with pytest.raises(RecipeError, match="60 examples"):
        draw_shots(TRAINING, 61, seed=0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"methods": ("chain_of_thought",)}, "zero_shot"),
        ({"methods": ("few_shot",)}, "needs examples"),
    ],
)
def test_refuses_an_invalid_plan(options, reason):
    with pytest.raises(RecipeError, match=reason):
        Plan(**options)


def test_writes_the_results_as_table_page_and_figure(evaluation, tmp_path):
    write(evaluation, tmp_path, {"run": "test"})
    with (tmp_path / "evaluation.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(evaluation.rows)
    record = json.loads((tmp_path / "evaluation.json").read_text("utf-8"))
    assert record["settings"] == {"run": "test"}
    assert (tmp_path / "evaluation.png").stat().st_size > 5000
    page = (tmp_path / "evaluation.html").read_text("utf-8")
    assert "@font-face" in page
    assert evaluation.suites["held_out"].items[0].example.prompt[-1].content in page
    with pytest.raises(OutputExistsError):
        write(evaluation, tmp_path, {})


def test_the_summary_has_a_row_for_each_method_and_level(evaluation):
    tables = dict(summary(evaluation.rows))
    assert list(tables) == ["handwritten", "held_out"]
    row = next(r for r in tables["held_out"] if (r[0], r[2]) == ("always_tumi", "tumi"))
    assert row[SUMMARY_COLUMNS.index("register_match")] == "1.00 [1.00, 1.00]"
