"""The verbs of a field: light names, and one set of options on the command line and the service."""

from dataclasses import fields
from importlib import import_module

import pytest
from case_table import table

from scionwood.authoring import command_words

LIGHT = """
import sys
import scionwood_crash as crash, scionwood_seismic as seismic
crash.predict, crash.predict_series, crash.evaluate, crash.inspect, crash.PredictOptions(speed=7.0)
seismic.denoise, seismic.denoise_data, seismic.simulate, seismic.compare
seismic.DenoiseOptions(tile=64)
heavy = ("torch", "obspy", "meshio", "matplotlib")
print([name for name in heavy if name in sys.modules])
"""


def test_public_names_and_options_import_no_heavy_library(python):
    pytest.importorskip("scionwood_crash")
    pytest.importorskip("scionwood_seismic")
    assert python("-c", LIGHT) == "[]\n"


@table(
    ("field", "verb", "options", "command_alone", "service_alone"),
    [
        ("crash", "predict", "parts.options:PredictOptions", {"force"}, {"deck"}),
        ("seismic", "denoise", "inference.options:DenoiseOptions", None, {"page"}),
    ],
)
def test_the_command_and_the_service_have_the_options_of_the_function(
    field, verb, options, command_alone, service_alone
):
    """A stranger chooses numbers and words; where the work runs, the server decides."""
    package = pytest.importorskip(f"scionwood_{field}")
    module, _, name = options.partition(":")
    module = import_module(f"{package.__name__}.{module}")
    request = getattr(import_module(f"{package.__name__}.verbs.{verb}_request"), f"{verb}_request")
    command, service = (
        {name for name, word in command_words(function).items() if not word.positional}
        for function in (getattr(package, verb), request)
    )
    stated = {one.name for one in fields(getattr(module, name))}
    assert stated < command
    assert command_alone is None or command - stated == command_alone
    assert service == {one.name for one in fields(module.RequestOptions)} | service_alone
    assert not {"run", "device", "tta", "precision"} & service
