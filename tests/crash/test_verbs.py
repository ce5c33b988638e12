"""The examples of the public names run as they are printed; a verb is stated once."""

from __future__ import annotations

import doctest
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import scionwood_crash as crash
from scionwood.authoring import command_words
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.parts.options import PredictOptions, RequestOptions
from scionwood_crash.parts.series import to_series
from scionwood_crash.verbs.predict_request import predict_request


@pytest.fixture
def files(suite: SuiteParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to a folder with the files that the examples name."""
    monkeypatch.chdir(tmp_path)
    crash.write_series("bumper.pvd", to_series(suite.parts("test")[0]))


@pytest.mark.usefixtures("files")
def test_examples_of_the_public_names_run() -> None:
    names: dict[str, object] = {name: getattr(crash, name) for name in crash.__all__}
    names["Path"] = Path
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for name in ("", *crash.__all__):
        text = getattr(crash, name).__doc__ if name else crash.__doc__
        example = doctest.DocTestParser().get_doctest(text or "", names, name, None, None)
        assert example.examples, name
        runner.run(example, clear_globs=False)
    assert runner.summarize(verbose=False).failed == 0


def test_the_command_and_the_service_have_the_options_of_the_function() -> None:
    """A stranger chooses numbers and words; where the work runs, the server decides."""
    command = {name for name, word in command_words(crash.predict).items() if not word.positional}
    service = {name for name, word in command_words(predict_request).items() if not word.positional}
    assert command == {field.name for field in fields(PredictOptions)} | {"force"}
    assert service == {field.name for field in fields(RequestOptions)} | {"deck"}
    assert not {"run", "device"} & service


def test_the_public_names_and_the_options_import_no_torch() -> None:
    code = (
        "import sys, scionwood_crash as s\n"
        "s.predict, s.predict_series, s.evaluate, s.inspect, s.PredictOptions(speed=7.0)\n"
        "print([name for name in ('torch', 'meshio', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
