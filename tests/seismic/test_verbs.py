"""The examples of the public names run as they are printed; a verb is stated once."""

from __future__ import annotations

import doctest

import pytest

import scionwood_seismic as seismic


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_examples_of_the_public_names_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {name: getattr(seismic, name) for name in seismic.__all__}
    runner, parser = doctest.DocTestRunner(), doctest.DocTestParser()
    for name, text in {
        "": seismic.__doc__,
        **{n: names[n].__doc__ for n in seismic.__all__},
    }.items():
        example = parser.get_doctest(text or "", names, name, None, None)
        assert example.examples, name
        runner.run(example, clear_globs=False)
        names = example.globs  # later examples use the array of the first
    assert runner.summarize(verbose=False).failed == 0
