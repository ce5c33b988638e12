"""The examples of the Python interface run."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest
from case_table import table

from scionwood_methods import api

OWN = [name for name in api.__all__ if getattr(api, name).__module__ == api.__name__]


@pytest.mark.usefixtures("_one_thread")
@table("name", OWN)
def test_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    doc = getattr(api, name).__doc__
    example = doctest.DocTestParser().get_doctest(doc, {}, name, None, None)
    report: list[str] = []
    result = doctest.DocTestRunner().run(example, out=report.append)
    assert result.attempted > 0
    assert not result.failed, "".join(report)
