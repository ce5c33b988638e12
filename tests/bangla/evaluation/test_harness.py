"""The hand-written prompts as a task of lm-evaluation-harness."""

import warnings

import pytest

from scionwood_bangla.evaluation.harness import FOLDER
from scionwood_bangla.evaluation.harness.register import load, measure
from scionwood_bangla.evaluation.prompts import prompts
from scionwood_bangla.model.weights import FOLDER as TINY

pytest.importorskip("lm_eval")


def test_the_data_set_is_the_hand_written_prompts():
    rows = load(version=1.0)["test"]
    assert [row["prompt"] for row in rows] == [item.text for item in prompts()]
    assert [frozenset(row["levels"]) for row in rows] == [item.levels for item in prompts()]


def test_references_are_correct_and_a_polite_answer_to_a_brother_is_not():
    for row in load()["test"]:
        measures = measure(row, [row["reference"]])
        assert measures["register_match"] == measures[f"register_match_{row['expected']}"] == 1
        assert ("register_match_hard" in measures) == row["hard"]
    tui = next(row for row in load()["test"] if row["expected"] == "tui")
    wrong = measure(tui, ["আপনি কেমন আছেন?"])
    assert (wrong["register_match"], wrong["over_formal"], wrong["consistent"]) == (0, 1, 1)


def test_the_harness_runs_the_task_on_the_tiny_model():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of the harness and of its imports
        from lm_eval import simple_evaluate
        from lm_eval.tasks import TaskManager

        output = simple_evaluate(
            model="hf",
            model_args={"pretrained": str(TINY), "device": "cpu", "dtype": "float32"},
            tasks=["bangla_register"],
            task_manager=TaskManager(include_path=str(FOLDER), include_defaults=False),
            apply_chat_template=True,
            bootstrap_iters=0,
            batch_size=16,
            limit=6,
            gen_kwargs={"max_gen_toks": 12},
        )
    scores = output["results"]["bangla_register"]
    assert 0 <= scores["register_match,none"] <= 1
    assert "register_match_apni,none" in scores
    sample = output["samples"]["bangla_register"][0]
    assert sample["arguments"][0][0].startswith("<|user|>" + prompts()[0].text)
