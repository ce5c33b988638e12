"""The examples of the Python interface run as they are printed."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from scionwood_seismic import api
from scionwood_seismic.api import files, memory


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_examples_of_the_documentation_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = dict(vars(api))
    runner = doctest.DocTestRunner()
    finder, examples = doctest.DocTestFinder(exclude_empty=True), []
    for module in (api, memory, files):  # later examples use the array of the first
        some = finder.find(module, globs=names)
        examples += sorted(some, key=lambda example: example.lineno or 0)
    for example in examples:
        example.globs = names
        runner.run(example, clear_globs=False)
    assert len(examples) > 5
    assert runner.summarize(verbose=False).failed == 0
