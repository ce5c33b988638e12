"""The pages of atoms: their commands run, and the report opens in a browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from browsing import opened_tab
from page_walk import blocks, follow

from scionwood_atoms import calculator
from scionwood_atoms.model.reference import Reference

PAGE = "fields/atoms/your-own-file.md"
SMALLER = {"sevennet/0": "sevennet/tiny", "--budget 10": "--steps 4 --methods lora"}


def check_checkpoint(folder: Path, atoms: Atoms) -> None:
    """Compare the checkpoint, in the calculator of sevenn, with the run."""
    from sevenn.calculator import SevenNetCalculator

    run = atoms.copy()
    run.calc = calculator(folder / "runs" / "0")
    atoms = atoms.copy()
    atoms.calc = SevenNetCalculator(folder / "copper.pth", device="cpu")
    largest = np.abs(run.get_forces()).max()
    assert np.abs(run.get_forces() - atoms.get_forces()).max() < 1e-5 * largest
    assert np.abs(run.get_stress() - atoms.get_stress()).max() < 1e-5
    offset = Reference.read(folder / "runs" / "0").of(Counter(atoms.symbols))
    gap = run.get_potential_energy() - atoms.get_potential_energy()
    assert gap == pytest.approx(offset, abs=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # sevenn advises to use an accelerator
@pytest.mark.timeout(1500)
def test_a_reader_of_the_page_on_use_gets_every_file(tmp_path):
    run = follow("fields/atoms/use.md", tmp_path)
    frames = {path.stem: ase.io.read(path, ":") for path in tmp_path.glob("*.xyz")}
    assert len(frames["predicted"]) == 15
    assert {atoms.info["energy_by"] for atoms in frames["predicted"]} == {"labels"}
    assert len(frames["next"]) == 5
    assert len({atoms.info["pool_index"] for atoms in frames["next"]}) == 5
    assert abs(frames["relaxed"][0].get_stress()).max() < abs(frames["start"][0].get_stress()).max()
    assert "rank correlation of spread and error" in run.stdout
    assert (tmp_path / "copper.pt").stat().st_size > 1e6
    check_checkpoint(tmp_path, frames["start"][0])
    with opened_tab() as tab:
        tab.show(tmp_path / "figures" / "report.html", 1280, 900, "light")
        assert tab.problems == []
        assert tab.value("document.querySelectorAll('table').length") == 1
        assert tab.value("[...document.images].filter(i => i.naturalWidth).length") == 1
        assert tab.value("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_reader_of_the_page_gets_a_choice_and_its_errors(tmp_path, shaken, label):
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
    assert {way["model"] for way in card["ways"]} == {"frozen", "lora", "sGDML"}
    assert (tmp_path / "figures/parity.png").is_file()
    energy, force = map(float, run.stdout.split()[-2:])
    assert energy < -3000  # the reference of the labels
    assert force > 0
