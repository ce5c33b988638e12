from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def hostile():
    return importlib.import_module("hostile_readers").HostileReader


@pytest.fixture
def written(tmp_path):
    def write(word, name="a.hostile"):
        path = tmp_path / name
        path.write_text(word, "utf-8")
        return path

    return write
