"""Run Python in a fresh process that finds the same packages as this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def run_python(arguments: Sequence[str], *, timeout: float = 120.0) -> tuple[int, str, str]:
    """Run `python ARGUMENTS` and return its exit code, its output and its errors.

    Args:
        arguments: `["-c", code, ...]` or `["-m", module, ...]`.
        timeout: seconds after which the process is ended; the code is then -9.
    """
    folders = [str(Path(entry or os.curdir).resolve()) for entry in sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    try:
        process = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -9, "", f"no answer in {timeout:g} s"
    return process.returncode, process.stdout, process.stderr


def last_line(text: str) -> str:
    """Return the last line that is not empty; in a traceback it is the error itself."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no output"
