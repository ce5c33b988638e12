from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from scionwood_sandbox.decoding import control

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="module", autouse=True)
def _new_service():
    """Each module has a service of its own, whose CPU seconds no test of another is charged."""
    control.forget()
    yield
    control.forget()


@pytest.fixture
def hostile():
    return importlib.import_module("hostile_readers").HostileReader


@pytest.fixture
def called():
    return importlib.import_module("called")


@pytest.fixture
def written(tmp_path):
    def write(word, name="a.hostile"):
        path = tmp_path / name
        path.write_text(word, "utf-8")
        return path

    return write
