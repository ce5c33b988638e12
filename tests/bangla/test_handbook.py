"""The page "Your own letter": its commands run as they are written, and print what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/fields/bangla/your-own-file.md"


def follow(folder: Path, *, skip: str = "\0") -> str:
    """Run the bash blocks of the page in a folder, and return what they print."""
    page = PAGE.read_text("utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```$", page, re.M | re.S)
    script = "set -e\n" + "\n".join(block for block in blocks if skip not in block)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_a_reader_of_the_page_gets_the_faults_of_a_letter(tmp_path):
    printed = follow(tmp_path, skip="bangla generate")
    (shown,) = re.findall(r"^```text\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    for line in shown.splitlines():
        assert line == "..." or line in printed, line
    faults = json.loads((tmp_path / "faults.json").read_text("utf-8"))["faults"]
    assert [fault["rule"] for fault in faults] == ["register", "agreement", "agreement"]
    assert "0 faults; undecided: 0 of 1 verb\n" in printed  # the last letter of the page


@pytest.mark.slow
def test_the_last_command_of_the_page_writes_a_letter(tmp_path):
    assert "levels: apni" in follow(tmp_path)
