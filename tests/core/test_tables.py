"""The tables of the pages are those of the measurements."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_every_table_is_on_a_page_and_shows_the_measurements() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "tables"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
