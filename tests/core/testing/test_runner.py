"""The kit itself: one id for each check, strict expected failures, outcomes."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from scionwood import Plugin, PluginError, cli
from scionwood_kit import CHECKS, parametrize_with_checks, run_checks

EMPTY = Plugin("empty", "A plugin that adds nothing")
CAMEL = Plugin("Camel", "A plugin with a bad name")


def parameters(mark: Any) -> dict[str, Any]:
    return {parameter.id: parameter for parameter in mark.args[1]}


def test_each_check_has_one_id_with_its_name():
    cases = parameters(parametrize_with_checks(EMPTY))
    assert list(cases) == [check.__name__ for check in CHECKS]
    assert all(name.startswith("check_") for name in cases)


def test_every_check_says_its_rule():
    for check in CHECKS:
        assert len(inspect.getdoc(check) or "") > 40, check.__name__


def test_an_expected_failure_is_a_strict_xfail_with_its_reason():
    mark = parametrize_with_checks(CAMEL, {"check_names": "kept for old recipes"})
    (xfail,) = parameters(mark)["check_names"].marks
    assert (xfail.name, xfail.kwargs) == (
        "xfail",
        {"reason": "kept for old recipes", "strict": True},
    )
    assert all(not p.marks for name, p in parameters(mark).items() if name != "check_names")


@pytest.mark.parametrize("name", ["check_layout", "check_vocabulary"])
def test_a_third_party_may_expect_a_failure_of_its_habits(name):
    (xfail,) = parameters(parametrize_with_checks(EMPTY, {name: "older than the rule"}))[name].marks
    assert xfail.kwargs["reason"] == "older than the rule"


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"check_nams": "why"}, "no such check. Did you mean 'check_names'"),
        ({"check_names": " "}, "an expected failure has a reason"),
    ],
)
def test_an_expected_failure_names_a_check_and_a_reason(expected, message):
    with pytest.raises(PluginError, match=message):
        parametrize_with_checks(EMPTY, expected)


def test_checks_run_on_records_only():
    with pytest.raises(PluginError, match=r"a str: checks run on a scionwood.Plugin"):
        parametrize_with_checks("seismic")  # type: ignore[arg-type]


def test_having_nothing_to_check_skips_but_is_not_an_expected_failure():
    plain = parameters(parametrize_with_checks(EMPTY))["check_data_is_seeded"]
    with pytest.raises(pytest.skip.Exception, match="nothing to check: no data"):
        plain.values[0](EMPTY)
    marked = parameters(parametrize_with_checks(EMPTY, {"check_data_is_seeded": "later"}))
    marked["check_data_is_seeded"].values[0](EMPTY)  # passes, hence XPASS, hence an error


SUITE = """
from scionwood import Plugin
from scionwood_kit import parametrize_with_checks

plugin = Plugin({record})

def do() -> None:
    'Do something.'

@parametrize_with_checks(plugin, {expected})
def test_conformance(check):
    check(plugin)
"""
BAD = '"Camel", "A plugin with a bad name"'
MUTE = '"mute", "A plugin with a bare command", commands={"do": f"{__name__}:do"}'
SUITES = {
    "failing": (BAD, {}),
    "excused": (BAD, {"check_names": "kept for old recipes"}),
    "stale": (BAD, {"check_names": "kept", "check_references_import": "stale"}),
    "advised": (MUTE, {}),
    "mute": (MUTE, {"check_docstrings": "a habit of ours"}),
}


def test_pytest_reports_failures_reasons_stale_reasons_and_advice(tmp_path, capfd):
    for name, (record, expected) in SUITES.items():
        text = SUITE.format(record=record, expected=expected)
        (tmp_path / f"test_{name}.py").write_text(text)
    words = ["-q", "-rfx", "-p", "no:cacheprovider", "-W", "default:check_"]
    words += ["-k", "names or references_import or docstrings", "--rootdir", str(tmp_path)]
    pytest.main([*words, str(tmp_path)])
    shown = capfd.readouterr().out
    ends = re.findall(r"^(FAILED|XFAIL) .*test_(\w+)\.py::test_conformance\[(\w+)\]", shown, re.M)
    assert sorted(ends) == [
        ("FAILED", "failing", "check_names"),
        ("FAILED", "stale", "check_references_import"),
        ("XFAIL", "excused", "check_names"),
        ("XFAIL", "mute", "check_docstrings"),
        ("XFAIL", "stale", "check_names"),
    ]
    assert "XPASS(strict)" in shown
    assert "CheckAdvice: check_docstrings: commands 'do': its docstring has `Raises:`" in shown


def test_errors_and_advice_are_printed_in_two_groups(sample, capsys, monkeypatch):
    cheap = tuple(check for check in CHECKS if check.__module__.endswith((".static", "mentation")))
    monkeypatch.setattr("scionwood_kit.runner.CHECKS", cheap)
    sample.change("readers.py", "    Units: time h", "    Nothing")
    sample.change("__init__.py", 'commands={"predict"', 'commands={"Predict"')
    sample.plugin()
    assert cli.main(["check", "sample"]) == 1
    errors, advice, count = capsys.readouterr().out.strip().split("\n\n")
    assert errors.splitlines()[len(cheap) :] == [
        "errors (1)",
        "  check_names: commands 'Predict': a name is lower snake_case. Rename it",
    ]
    assert advice.startswith("advice (1)\n  check_docstrings: readers 'series': its docstring has")
    assert re.fullmatch(rf"{len(cheap) - 1} of {len(cheap)} checks hold \(\d+ s of CPU\)", count)


def test_outcomes_give_the_status_and_its_reason():
    seen: list[Any] = []
    outcomes = {outcome.check: outcome for outcome in run_checks(CAMEL, seen.append)}
    assert list(outcomes.values()) == seen
    assert outcomes["check_names"].failed
    assert "lower snake_case" in outcomes["check_names"].reason
    assert outcomes["check_data_is_seeded"].status == "nothing"
    assert outcomes["check_references_import"].status == "passed"


def test_an_error_of_the_plugin_is_a_failure_and_the_other_checks_run(sample):
    sample.change("data.py", "super().__init__()", 'raise OSError("no licence server")')
    plugin = sample.plugin()
    only_data = Plugin("sample", "Data", data=plugin.data)
    outcomes = {outcome.check: outcome for outcome in run_checks(only_data)}
    assert outcomes["check_data_is_seeded"].reason == "OSError: no licence server"
    assert outcomes["check_loss_falls"].status == "nothing"
