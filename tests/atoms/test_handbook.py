"""The page on use: its commands run, and its report opens in a browser."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from browsing import opened_tab
from page_walk import follow

from scionwood_atoms import calculator
from scionwood_atoms.model.reference import Reference


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
def test_a_reader_of_the_page_on_use_gets_every_file(tmp_path: Path) -> None:
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
        assert tab.value("document.querySelectorAll('table').length") == 2
        assert tab.value("[...document.images].filter(i => i.naturalWidth).length") == 1
        assert tab.value("document.documentElement.scrollWidth <= innerWidth")
