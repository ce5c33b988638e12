"""The examples of the public names run as they are printed; a verb is stated once."""

from __future__ import annotations

import doctest
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import scionwood_seismic as seismic
from scionwood.authoring import command_words
from scionwood_seismic.inference.options import DenoiseOptions, RequestOptions
from scionwood_seismic.verbs.denoise_request import denoise_request


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_examples_of_the_public_names_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_the_command_and_the_service_have_the_options_of_the_function() -> None:
    """A stranger chooses numbers and words; where the work runs, the server decides."""
    command = {name for name, word in command_words(seismic.denoise).items() if not word.positional}
    service = {name for name, word in command_words(denoise_request).items() if not word.positional}
    assert {field.name for field in fields(DenoiseOptions)} < command
    assert service == {field.name for field in fields(RequestOptions)} | {"page"}
    assert not {"run", "device", "tta", "precision"} & service


def test_the_public_names_and_the_options_import_no_torch() -> None:
    code = (
        "import sys, scionwood_seismic as s\n"
        "s.denoise, s.denoise_data, s.simulate, s.compare, s.DenoiseOptions(tile=64)\n"
        "print([name for name in ('torch', 'obspy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
