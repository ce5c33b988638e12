"""The check of examples: a rule for the plugins of the repository, advice for the others."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest

from scionwood import Plugin
from scionwood_kit import CheckFailure, NothingToCheck
from scionwood_kit.checks.examples import check_examples

BARE = '"""The Python interface."""\n\n\ndef double(x: int) -> int:\n    """Double a number."""\n'
SHOWN = BARE.replace("number.", "number.\n\n    Example:\n        >>> double(2)\n        4\n    ")


def test_a_plugin_of_the_repository_must_have_examples(sample):
    sample.at_home().add("verbs.py", BARE)
    with pytest.raises(CheckFailure, match=r"sample\.verbs\.double: a public name of a plugin has"):
        check_examples(sample.plugin())


def test_examples_in_docstrings_satisfy_it(sample):
    sample.at_home().add("verbs.py", SHOWN)
    assert not check_examples(sample.plugin())


def test_another_plugin_gets_advice_and_does_not_fail(sample):
    sample.add("verbs.py", BARE)
    (advice,) = check_examples(sample.plugin())
    assert advice.value == "scionwood_sample.verbs.double"
    assert advice.remedy.startswith("Write `Example:`")


def test_what_a_new_plugin_starts_with_has_examples(sample):
    assert not check_examples(sample.plugin())


@pytest.mark.usefixtures("_one_thread")
def test_the_example_of_a_new_plugin_runs(sample, tmp_path, monkeypatch):
    assert sample.plugin().name == "sample"
    monkeypatch.chdir(tmp_path)
    verbs = import_module(f"{sample.package}.verbs")
    examples = [test for test in doctest.DocTestFinder().find(verbs) if test.examples]
    assert len(examples) == 2
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in examples:
        assert not runner.run(example, out=report.append).failed, "".join(report)


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("from pathlib import Path\nLIMIT = 3\n", ""),  # not the module's own, not a function
        ("def _hidden(): ...\n", ""),
        ("from json import dumps\n__all__ = ['dumps']\n", "dumps"),
        ("class Own(Exception): ...\n", "Own"),  # the docstring of its base does not count
    ],
)
def test_public_names_are_those_of_all_or_the_modules_own(sample, code, missing):
    (sample.root / sample.package / "verbs.py").write_text(code)
    named = [problem.value.rpartition(".")[2] for problem in check_examples(sample.plugin())]
    assert named == ([missing] if missing else [])


def test_without_verbs_there_is_nothing_to_check(sample):
    (sample.root / sample.package / "verbs.py").unlink()
    with pytest.raises(NothingToCheck, match="no module `verbs`"):
        check_examples(sample.plugin())
    with pytest.raises(NothingToCheck, match="no module `verbs`"):
        check_examples(Plugin("empty", "A plugin that adds nothing"))
