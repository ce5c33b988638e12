"""The guide to federation: its commands run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "federated.md"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_hospitals_pool_by_hand_as_the_guide_says(tmp_path: Path) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        ["bash", "-c", "set -e\n" + "\n".join(blocks)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "round 1 by exact" in run.stdout
    assert (tmp_path / "round1" / "recipe.yaml").is_file()
    assert (tmp_path / "trial" / "table.csv").is_file()
