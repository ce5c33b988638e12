"""Follow a page as a reader does: run its bash blocks as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page of `docs` in a language."""
    text = (DOCS / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def follow(
    page: str, folder: Path, *, only: Callable[[str], bool] = bool, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the bash blocks of a page in a folder, as one script that stops at the first error.

    Args:
        page: The path of the page in `docs`.
        folder: Where a reader would be.
        only: What chooses blocks; without it all of them run.
        check: Whether the script must succeed.
    """
    script = "set -euo pipefail\n" + "".join(filter(only, blocks(page, "bash")))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, env=environment
    )
    assert not check or run.returncode == 0, run.stdout + run.stderr
    return run
