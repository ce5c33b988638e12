"""Conversations that code makes and judges: plans, reviews and mixed tasks."""

from random import Random

import pytest
from case_table import table

from scionwood import ReadError, RecipeError
from scionwood.authoring import check_plan
from scionwood_language.data.code_review import CodeReview, judge_review
from scionwood_language.data.generated import MixedTasks
from scionwood_language.data.tool_plans import ToolPlans, judge_plan
from scionwood_language.review.faults import FAULTS, plant, programs


def test_every_plan_of_the_data_is_valid_and_the_wordings_of_the_test_are_new():
    data = ToolPlans(n_train=70, n_val=5, n_test=70)
    train, test = data.pairs("train"), data.pairs("test")
    for _, line, more in train[::7]:
        assert judge_plan(line, more["tool"]) == {"exists": True, "valid": True, "tool": True}
    assert len({more["tool"] for _, _, more in train}) > 40
    assert not {asked for asked, _, _ in train} & {asked for asked, _, _ in test}


def test_a_plan_is_judged_in_steps():
    assert judge_plan("scionwood fly to-moon", "fit") == dict.fromkeys(
        ("exists", "valid", "tool"), False
    )
    assert judge_plan("scionwood fit a/b --sed 3", "fit")["exists"]
    assert not judge_plan("scionwood fit a/b --sed 3", "fit")["valid"]
    assert judge_plan("scionwood fit a/b", "test") == {"exists": True, "valid": True, "tool": False}
    data = ToolPlans(n_train=1)
    assert data.judge(["scionwood plugins", "?"], {"tool": ["plugins", "fit"]}) == {
        "exists": 0.5,
        "valid": 0.5,
        "tool": 0.5,
    }


def test_requests_of_a_file_replace_those_that_are_made(tmp_path):
    path = tmp_path / "asked.csv"
    path.write_text("request,command\nclean a.sgy,scionwood seismic denoise a.sgy b.sgy\n")
    [(asked, line, more)] = ToolPlans(requests=path).pairs("test")
    assert asked.endswith("clean a.sgy")
    assert (more["tool"], check_plan(line)) == ("seismic denoise", "seismic denoise")
    path.write_text("question\nwhat\n")
    with pytest.raises(ReadError, match="a table of requests"):
        ToolPlans(requests=path).pairs("test")


@table("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_a_program_has_its_fault_on_the_line_and_the_solution_nowhere(fault):
    for template in range(3):
        own = plant(fault, template, programs(), Random(3))
        lines = own.code.splitlines()
        others = [*lines[: own.line - 1], *lines[own.line :]]
        sources = [code.splitlines() for code in programs()]
        assert own.solution not in own.code
        assert own.solution not in fault.hint
        assert any(
            [*code[: own.line - 1], *code[own.line :]] == others
            and code[own.line - 1].strip() == own.solution != lines[own.line - 1].strip()
            for code in sources
            if len(code) == len(lines)
        )


def test_a_review_is_judged_by_line_class_and_leak():
    [(asked, told, more), *_] = CodeReview(n_train=12).pairs("train")
    assert "Review this Python program" in asked
    own = (more["line"], more["fault"], more["solution"])
    assert judge_review(told, *own) == {"line": True, "fault": True, "no_leak": True}
    leaked = f"{told}\nWrite {more['solution']}"
    assert not judge_review(leaked, *own)["no_leak"]
    assert judge_review("nothing", *own) == {"line": False, "fault": False, "no_leak": True}


def test_splits_of_made_data_are_disjoint():
    for data in (MixedTasks(n_train=90, n_val=9, n_test=30), CodeReview(n_train=60, n_test=24)):
        parts = [{asked for asked, _, _ in data.pairs(name)} for name in ("train", "val", "test")]
        assert all(parts)
        assert not parts[0] & parts[1]
        assert not parts[0] & parts[2]


def test_mixed_tasks_are_judged_one_by_one():
    data = MixedTasks(tasks=["next", "reverse"], n_train=4)
    rows = data.pairs("train")
    batch = {name: [more[name] for _, _, more in rows] for name in ("task", "answer")}
    assert data.judge(batch["answer"], batch) == {"exact_next": 1.0, "exact_reverse": 1.0}
    with pytest.raises(RecipeError, match="the tasks are"):
        MixedTasks(tasks=["fly"])
    with pytest.raises(RecipeError, match="at least 1"):
        MixedTasks(n_train=0)
