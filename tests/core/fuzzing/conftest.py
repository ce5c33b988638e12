from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from scionwood.plugins import discovery
from scionwood_kit.fuzzing import reading

HERE = str(Path(__file__).parent)
sys.path.append(HERE)

INLINE = """
import sys
if "scionwood_kit.fuzzing.reading" in sys.modules:
    sys.modules["scionwood_kit.fuzzing.reading"].possible = lambda: False
"""
"""Code of a plugin that takes the reader service from its worker, as on other systems."""


@pytest.fixture
def hostile(distribution, monkeypatch):
    """Install a plugin with some of the parsers of `hostile_parsers`, and return its record."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([HERE, os.environ["PYTHONPATH"]]))
    monkeypatch.setattr(reading, "possible", reading.possible)  # INLINE may be run here too

    def install(*names, inline=False):
        table = {name.lower(): f"hostile_parsers:{name}" for name in names}
        code = INLINE if inline else ""
        code += "from scionwood import Plugin\n"
        distribution("hostile", f"{code}plugin = Plugin('hostile', 'Hostile', parsers={table})\n")
        return discovery.record("hostile")

    return install
