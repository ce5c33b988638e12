"""The kernel model of one molecule: its forces, and its symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.morse import MorsePotential

from scionwood_atoms.evaluation.kernel import Kernel, fit_kernel, permutations


def labels(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ethanol, moved at random, with the energies and forces of a Morse potential."""
    rng = np.random.default_rng(seed)
    places = molecule("CH3CH2OH").positions + rng.normal(0, 0.05, (n, 9, 3))
    atoms, energies, forces = molecule("CH3CH2OH"), [], []
    atoms.calc = MorsePotential(r0=2.35, rho0=1.5 * 2.35, rcut1=9, rcut2=10)
    for one in places:
        atoms.positions = one
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
    return places, np.array(energies), np.array(forces)


SYMBOLS = list(molecule("CH3CH2OH").symbols)


def test_a_kernel_learns_forces_and_their_energy():
    model, (places, energies, forces) = (
        fit_kernel(SYMBOLS, labels(30, 0), labels(5, 1)),
        labels(9, 2),
    )
    found = model.predict(places)
    assert np.square(found[1] - forces).mean() < 0.01 * np.square(forces).mean()
    assert np.square(found[0] - energies).mean() < 0.01 * energies.var()


def test_forces_are_the_slope_of_the_energy_and_equal_atoms_are_equal():
    places, energies, forces = labels(6, 0)
    turns = permutations(SYMBOLS, places)
    model = Kernel(turns, 3.0, 1e-8).fit(places, energies, forces)
    step = np.zeros((1, 9, 3))
    step[0, 3, 1] = 1e-4
    ends = [model.predict(places[:1] + sign * step)[0][0] for sign in (1, -1)]
    slope = model.predict(places[:1])[1][0, 3, 1]
    assert slope == pytest.approx(-(ends[0] - ends[1]) / 2e-4, rel=1e-4)
    assert len(turns) == 6  # three turns of the methyl group, two sides of the molecule
    energy = model.predict(places[:1])[0][0]
    for turn in turns:
        assert model.predict(places[:1, list(turn)])[0][0] == pytest.approx(energy, abs=1e-6)
