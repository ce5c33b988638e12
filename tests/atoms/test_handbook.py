"""The page "Your own DFT structures": its commands run, with a small base and few steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ase import Atoms
from page_walk import blocks

PAGE = "fields/atoms/your-own-file.md"
SMALLER = {"sevennet/0": "sevennet/tiny", "--budget 10": "--steps 4 --arms frozen lora"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_reader_of_the_page_gets_a_choice_and_its_errors(
    tmp_path: Path, shaken: Callable[..., list[Atoms]], label: Callable[..., Path]
) -> None:
    label(tmp_path / "labels.xyz", shaken("CH3OH", n=20))
    label(tmp_path / "test.xyz", shaken("CH3OH", n=4, seed=1))
    label(tmp_path / "isolated.xyz", [Atoms(symbol) for symbol in "CHO"])
    script = "set -euo pipefail\n" + "".join(blocks(PAGE, "bash"))
    for long, short in SMALLER.items():
        assert long in script
        script = script.replace(long, short)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "a fit takes these labels" in run.stdout
    assert "the chosen run: runs/mine" in run.stdout
    card = json.loads((tmp_path / "runs/mine/choice.json").read_text("utf-8"))
    assert {arm["model"] for arm in card["arms"]} == {"frozen", "lora", "sGDML"}
    assert (tmp_path / "figures/parity.png").is_file()
    energy, force = map(float, run.stdout.split()[-2:])
    assert energy < -3000  # the reference of the labels
    assert force > 0
