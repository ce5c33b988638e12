"""Build the site once for all tests of a session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def built(base: Path) -> Path:
    """Return the folder of the site under `base`, built as `make docs` builds it."""
    folder = base / "site"
    if not (folder / "objects.inv").exists():
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
        run = subprocess.run(
            [*command, ROOT / "docs", folder], capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
    return folder
