"""The Python interface: its examples run, and its paths may be strings."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from scionwood_crash import api
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.parts.series import to_series

EXAMPLES = [test for test in doctest.DocTestFinder().find(api) if test.examples]


@pytest.fixture
def files(suite: SuiteParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to a folder with the files that the examples name."""
    monkeypatch.chdir(tmp_path)
    api.write(to_series(suite.parts("test")[0]), "bumper.pvd")


def test_every_function_has_an_example() -> None:
    shown = {test.name.rsplit(".", 1)[-1] for test in EXAMPLES}
    assert shown == {"read", "write", "simulate", "predict", "evaluate", "report"}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda test: test.name.rsplit(".", 1)[-1])
def test_examples_run(example: doctest.DocTest, capsys: pytest.CaptureFixture[str]) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(example, clear_globs=False)
    assert runner.summarize(verbose=False).failed == 0, capsys.readouterr().out
