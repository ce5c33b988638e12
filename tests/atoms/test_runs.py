"""A run on labels: its calculator, its evaluation, and what inspection says before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet

import scionwood
from scionwood.authoring import changing
from scionwood.cli import main
from scionwood_atoms import calculator, evaluate, inspect
from scionwood_atoms.data.labels import LabelError
from scionwood_atoms.inference.ase_calculator import RunCalculator
from scionwood_atoms.model.potential import predictions
from scionwood_atoms.model.reference import Reference

Make = Callable[..., list[Atoms]]
Label = Callable[..., Path]
WATER = Reference({"H": -13.0, "O": -2040.0}, 1, np.array([[2.0, 1.0]]) / 5**0.5, False)


def test_the_calculator_has_the_reference_of_the_labels(tiny, shaken):
    (atoms,) = shaken("H2O", n=1)
    atoms.calc = RunCalculator(tiny, WATER)
    own = predictions(tiny, [tiny.graph(atoms)])
    assert atoms.get_potential_energy() == pytest.approx(own.energies[0] - 2066.0, abs=1e-9)
    assert np.array_equal(atoms.get_forces(), own.forces[0])


def test_the_calculator_gives_the_stress_of_ase(tiny):
    atoms = Atoms("OHH", [(0, 0, 0), (0.9, 0.1, 0), (0.1, 0.2, 0.9)], cell=[4, 4.2, 4.4], pbc=True)
    atoms.calc = RunCalculator(tiny, WATER)
    stress, step, energies = atoms.get_stress(), 2e-3, []
    for sign in (step, -step):
        strained = atoms.copy()
        strained.calc = atoms.calc
        strained.set_cell(atoms.cell * [1 + sign, 1, 1], scale_atoms=True)
        energies.append(strained.get_potential_energy())
    slope = (energies[0] - energies[1]) / (2 * step) / atoms.get_volume()
    assert stress[0] == pytest.approx(slope, rel=0.02, abs=1e-4)


def test_inspection_ends_with_1_where_a_fit_would_refuse(tmp_path, shaken, label, capsys):
    path = label(tmp_path / "a.xyz", shaken("CH3OH", n=4))
    words = ["atoms", "inspect", str(path), "--base", "sevennet/tiny"]
    assert main(words) == 1
    assert "refused: 1 independent composition of C, H, O" in capsys.readouterr().out


def test_isolated_atoms_end_the_refusal(tmp_path, shaken, label):
    frames = [*shaken("CH3OH", n=4), Atoms("C"), Atoms("H"), Atoms("O")]
    found = inspect([label(tmp_path / "a.xyz", frames)], base="sevennet/tiny")
    assert not found.refusal
    assert (found.rank, found.elements, found.compositions) == (1, ["C", "H", "O"], {"CH4O": 4})


@pytest.mark.slow
def test_a_test_of_a_run_takes_the_reference_of_the_run(runs, tmp_path):
    run = Path(shutil.copytree(runs[0], tmp_path / "run"))
    before = Reference.read(run)
    moved = {**before.energies, "H": before.energies["H"] + 1.0}  # as a fit may move the zero
    with changing(run, ["reference.json"]):
        replace(before, energies=moved).write(run, {})
    data: Any = scionwood.resolve(run / "recipe.yaml").data.build()
    wrong = []
    for frame in data.frames()["test"]:
        atoms = frame.structure.atoms()
        atoms.calc = calculator(run)
        wrong.append(abs(atoms.get_potential_energy() - frame.structure.energy) / len(atoms))
    measured = scionwood.test(run)["test_energy_mae_mev"]
    assert measured == pytest.approx(1000 * np.mean(wrong), rel=1e-3)
    assert measured > 600


@pytest.mark.slow
def test_a_run_is_its_calculator_and_conserves_energy(tmp_path, shaken, label):
    path = label(tmp_path / "a.xyz", shaken("H2O", "CH4", "CH3OH", n=30))
    data = {"name": "atoms/files", "source": str(path), "base": "sevennet/tiny"}
    change = {"backbone.model": "tiny", "data": data, "trainer.max_steps": 4}
    run = scionwood.fit("atoms/few_shot", run_dir=tmp_path / "run", overrides=change)
    (test,) = evaluate(run, label(tmp_path / "b.xyz", shaken("H2O", n=4, seed=1))).rows[:1]
    assert test.energy < 1000
    with pytest.raises(LabelError, match="trained or validated on each"):
        evaluate(run, label(tmp_path / "c.xyz", shaken("H2O", "CH4", "CH3OH", n=30)[:6]))
    (atoms,) = shaken("CH3OH", n=1, seed=2)
    atoms.calc = calculator(run)
    task = scionwood.load_run(run)
    own = predictions(task.backbone, [task.backbone.graph(atoms)])  # type: ignore[operator]
    offset = Reference.read(run).of({"C": 1, "H": 4, "O": 1})
    assert atoms.get_potential_energy() == pytest.approx(own.energies[0] + offset, abs=1e-6)
    rng = np.random.default_rng(0)
    spread = np.sqrt(300 * units.kB * atoms.get_masses())[:, None]
    atoms.set_momenta(spread * rng.normal(size=(6, 3)))
    start = atoms.get_total_energy()
    VelocityVerlet(atoms, timestep=0.5 * units.fs).run(100)
    assert abs(atoms.get_total_energy() - start) / len(atoms) < 1e-3
