"""Commands that use a run: what they write, what they refuse, and how they end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.constraints import FixAtoms

import scionwood
from scionwood import RecipeError
from scionwood.cli import main
from scionwood_atoms import calculator, predict, relax
from scionwood_atoms.inference.ase_calculator import RunCalculator
from scionwood_atoms.inference.committee import Committee
from scionwood_atoms.inference.dynamics import relax_atoms
from scionwood_atoms.model.graph import GraphError
from scionwood_atoms.model.potential import predictions
from scionwood_atoms.model.reference import Reference

Make = Callable[..., list[Atoms]]
ALONE = Reference({"Si": 3.0}, 1, np.eye(1), False)


def written(path: Path, *frames: Atoms) -> Path:
    ase.io.write(path, frames, format="extxyz")
    return path


def test_predict_states_what_each_energy_stands_on(tmp_path, runs, shaken):
    source = written(tmp_path / "a.xyz", *shaken("H2O", "OH", "CH4", n=4))
    scales = predict(runs[0], source, tmp_path / "b.xyz")
    assert scales == {"H2O": "labels", "HO": "isolated atoms", "CH4": "scale of the base"}
    water, hydroxyl, methane, again = ase.io.read(tmp_path / "b.xyz", ":")
    calc = calculator(runs[0])
    for atoms in (water, again):
        moved = atoms.copy()
        moved.calc = calc
        assert atoms.get_potential_energy() == pytest.approx(moved.get_potential_energy())
        assert np.abs(atoms.get_forces() - moved.get_forces()).max() < 1e-6
    assert hydroxyl.info["energy_by"] == "isolated atoms"
    assert "energy" not in methane.calc.results
    assert methane.info["base_energy"] > -100
    assert methane.get_forces().shape == (5, 3)


def test_predict_refuses_an_element_before_it_writes(tmp_path, runs):
    source = written(tmp_path / "a.xyz", molecule("H2O"), Atoms("Au2", [(0, 0, 0), (0, 0, 2.5)]))
    target = tmp_path / "b.xyz"
    target.write_text("old", "utf-8")
    with pytest.raises(GraphError, match="does not know the atomic number 79"):
        predict(runs[0], source, target, force=True)
    assert target.read_text("utf-8") == "old"
    assert main(["atoms", "predict", str(runs[0]), str(source), str(target)]) == 2


def test_dynamics_that_stop_end_with_1_and_keep_their_structures(tmp_path, runs, capsys):
    atoms = molecule("H2O")
    atoms.set_momenta([[0, 0, 0], [0, 3.0, 0], [0, -3.0, 0]])
    words = ["atoms", "md", str(runs[0]), str(written(tmp_path / "a.xyz", atoms))]
    words += [str(tmp_path / "b.xyz"), "--kelvin", "20"]
    assert main(words) == 1
    assert "stopped after 0 fs: the temperature is" in capsys.readouterr().out
    (frame,) = ase.io.read(tmp_path / "b.xyz", ":")
    assert frame.info["energy_by"] == "labels"
    assert main(words) == 2  # nothing is replaced


@pytest.mark.slow
def test_a_committee_has_the_forces_of_its_runs(runs, shaken):
    (atoms,) = shaken("H2O", n=1)
    committee = Committee(runs)
    (forces,) = committee.forces([committee.graph(atoms)])
    for run, mine in zip(runs, forces, strict=True):
        backbone: Any = scionwood.load_run(run).backbone
        assert np.abs(predictions(backbone, [backbone.graph(atoms)]).forces[0] - mine).max() < 1e-6
    assert np.abs(forces[0] - forces[1]).max() > 1e-6
    with pytest.raises(RecipeError, match="committee of 1: two runs can differ"):
        Committee([runs[0], runs[0]])


def test_relaxation_moves_atoms_and_cell_and_keeps_fixed_atoms(tiny):
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    atoms.set_constraint(FixAtoms([0]))
    atoms.calc = RunCalculator(tiny, ALONE)
    place, volume = atoms.positions[0].copy(), atoms.get_volume()
    ended = relax_atoms(atoms, cell=False, steps=5, limit=1e-6)
    assert ended.gain > 0
    assert (ended.steps, ended.stopped) == (5, "it took 5 steps, the most")
    assert np.array_equal(atoms.positions[0], place)
    assert atoms.get_volume() == volume
    atoms.set_constraint()
    assert relax_atoms(atoms, steps=5, limit=1e-6, cell=True).gain > 0
    assert atoms.get_volume() != volume


def test_a_molecule_has_no_cell_to_relax(tmp_path, runs):
    boxed = molecule("H2O", cell=[9, 9, 9])  # without periods
    source = written(tmp_path / "a.xyz", boxed)
    with pytest.raises(GraphError, match=r"no cell to relax\. Relax it without --cell"):
        relax(runs[0], source, tmp_path / "b.xyz", cell=True)
    assert not (tmp_path / "b.xyz").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:No tensor product accelerator")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_checkpoint_has_the_weights_of_the_run(tmp_path, runs, shaken, capsys):
    from sevenn.calculator import SevenNetCalculator

    assert main(["atoms", "checkpoint", str(runs[0]), str(tmp_path / "a.pth")]) == 0
    assert "for the energy of the labels add" in capsys.readouterr().out
    (atoms,) = shaken("H2O", n=1)
    atoms.calc = calculator(runs[0])
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    atoms.calc = SevenNetCalculator(tmp_path / "a.pth", device="cpu")
    offset = Reference.read(runs[0]).of({"O": 1, "H": 2})
    assert atoms.get_potential_energy() == pytest.approx(energy - offset, abs=1e-5)
    assert np.abs(atoms.get_forces() - forces).max() < 1e-5 * np.abs(forces).max()


@pytest.mark.slow
def test_an_interrupted_trajectory_is_valid(tmp_path, runs):
    source, target = written(tmp_path / "a.xyz", molecule("H2O")), tmp_path / "b.xyz"
    words = ["atoms", "md", str(runs[0]), str(source), str(target), "--ps", "99", "--every", "1"]
    # A shell that started the tests in the background had it ignore the signal.
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code += f"; from scionwood.cli import main; sys.exit(main({words}))"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as child:
        while not target.exists() or target.stat().st_size < 2000:
            assert child.poll() is None
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 130
    assert len(ase.io.read(target, ":")) > 3
