"""A study gives each method the same seconds and rates, keeps what is done, and chooses once."""

from __future__ import annotations

import json

import pytest
from plain_figures import undrawn

from scionwood import OutputExistsError, RecipeError
from scionwood_methods.trials import OTHERS, Arm
from scionwood_methods.verbs.study import study

METHODS = ["frozen", "ia3", "lora"]
SMALL = {"methods": METHODS, "steps": 8, "override": ["adapter.targets=blocks"]}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "toy"
    with undrawn():
        return study("toy/regress", folder, **SMALL)


def test_each_method_has_three_rates_and_its_best_is_tested(done):
    card = json.loads((done.folder / "study.json").read_text("utf-8"))
    arms = [Arm(**arm) for arm in card["arms"]]
    assert {m: sum(a.method == m for a in arms) for m in METHODS} == dict.fromkeys(METHODS, 3)
    assert all(a.steps == card["steps"][a.method] == 8 for a in arms)
    tested = {(a.method, a.rate) for a in arms if a.test}
    for method in METHODS:
        best = min((a for a in arms if a.method == method), key=lambda arm: arm.validation)
        assert [rate for name, rate in tested if name == method] == [best.rate]
    assert [a.validation for a in done.arms] == sorted(a.validation for a in done.arms)
    by_name = {arm.method: arm for arm in done.arms}
    assert by_name["frozen"].trained < by_name["lora"].trained
    assert by_name["lora"].rate in {0.01 * share for share in OTHERS}
    assert done.advice.startswith("Use ")


def test_a_study_goes_on_where_it_stopped(done, capsys):
    card = json.loads((done.folder / "study.json").read_text("utf-8"))
    lost = card["arms"].pop(4)
    (done.folder / "study.json").write_text(json.dumps(card), "utf-8")
    times = {path.name: path.stat().st_mtime_ns for path in done.folder.iterdir() if path.is_dir()}
    study("toy/regress", done.folder, **SMALL)
    changed = {n for n, t in times.items() if (done.folder / n).stat().st_mtime_ns != t}
    assert changed == {Arm(lost["method"], lost["rate"]).name}
    with pytest.raises(OutputExistsError, match="another recipe or budget"):
        study("toy/regress", done.folder, **SMALL | {"steps": 9})


def test_a_budget_too_small_is_refused_with_what_it_needs(tmp_path):
    with pytest.raises(RecipeError, match="20 steps and 8 validations"):
        study("toy/regress", tmp_path / "s", methods=["lora"], budget=1e-6)
    assert not (tmp_path / "s" / "lora-0.01--1").exists()
    with pytest.raises(RecipeError, match="--budget 10"):
        study("toy/regress", tmp_path / "s", budget=0)
