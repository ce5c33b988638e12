"""The examples of the public names run as they are printed; a verb is stated once."""

from __future__ import annotations

import doctest
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import scionwood_crash as crash
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.parts.series import to_series
from scionwood_crash.suite import simulate as simulate_module
from scionwood_crash.suite.families import FAMILIES


@pytest.fixture
def files(suite: SuiteParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to a folder with the files that the examples name; designs are coarse and short."""
    monkeypatch.chdir(tmp_path)
    crash.write_series("bumper.pvd", to_series(suite.parts("test")[0]))
    tube = replace(FAMILIES["tube"](np.random.default_rng(0), 40.0), duration=0.5)
    monkeypatch.setattr(simulate_module, "design", lambda *_: tube)


@pytest.mark.slow
@pytest.mark.usefixtures("files")
def test_examples_of_the_public_names_run():
    names: dict[str, object] = {name: getattr(crash, name) for name in crash.__all__}
    names["Path"] = Path
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for name in ("", *crash.__all__):
        text = getattr(crash, name).__doc__ if name else crash.__doc__
        example = doctest.DocTestParser().get_doctest(text or "", names, name, None, None)
        assert example.examples, name
        runner.run(example, clear_globs=False)
    assert runner.summarize(verbose=False).failed == 0
