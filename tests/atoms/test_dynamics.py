"""Dynamics: what they conserve, what stops them, and what an input may state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.morse import MorsePotential
from ase.constraints import FixAtoms
from case_table import table

from scionwood import RecipeError
from scionwood_atoms.inference.dynamics import near_atoms, run_dynamics
from scionwood_atoms.verbs.options import MdOptions


class Morse(MorsePotential):
    """A Morse potential of 1 eV, times a factor; its minimum is at 2.35 A."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__(epsilon=factor, r0=2.35, rho0=1.5 * 2.35)


def silicon(**options: Any) -> Atoms:
    """A tetrahedron at the minimum of the potential."""
    a = 2.35 / 2**0.5
    atoms = Atoms("Si4", [(0, 0, 0), (a, a, 0), (a, 0, a), (0, a, a)], **options)
    atoms.calc = Morse()
    return atoms


def moved(atoms: Atoms, **options: Any) -> Any:
    """Return the course and the structures that were written."""
    frames: list[Atoms] = []
    return run_dynamics(atoms, MdOptions(**options), lambda one: frames.append(one.copy())), frames


def test_constant_energy_is_conserved_and_the_centre_of_mass_rests():
    course, frames = moved(silicon(), ps=0.1, nve=True, every=5)
    assert len(frames) == len(course.times) == 41
    assert abs(course.drift) < 1
    assert np.ptp(course.energies[0]) > 20 * np.ptp(course.energies[1])
    shift = frames[-1].get_center_of_mass() - frames[0].get_center_of_mass()
    assert np.abs(shift).max() < 1e-9


def test_the_thermostat_reaches_its_temperature():
    course, _ = moved(silicon(), ps=0.9, fs=3, kelvin=200, friction=50, every=5)
    assert course.temperatures.mean() == pytest.approx(200, rel=0.25)
    assert not course.stopped


def test_momenta_of_the_file_are_used_without_a_moving_centre_of_mass():
    atoms = silicon()
    momenta = np.random.default_rng(0).normal(0, 0.5, (4, 3))
    momenta -= momenta.mean(0)
    atoms.set_momenta(momenta + 50.0)  # 4 eV an atom of no heat
    course, frames = moved(atoms, ps=0.002, nve=True, every=1)
    assert course.velocities.startswith("those of the file, less")
    assert not course.stopped
    assert np.allclose(frames[0].get_momenta(), momenta)


def test_fixed_atoms_stay():
    atoms = silicon()
    atoms.set_constraint(FixAtoms([0, 1]))
    _, frames = moved(atoms, ps=0.05, every=10)
    assert np.ptp([one.positions[:2] for one in frames], axis=0).max() == 0
    assert np.ptp([one.positions[2:] for one in frames], axis=0).max() > 0.01


def hot(atoms: Atoms) -> None:
    atoms.set_momenta(np.array([[30.0, 0, 0], [-30.0, 0, 0], [0, 0, 0], [0, 0, 0]]))


def near(atoms: Atoms) -> None:
    atoms.positions[1] = (1.0, 0.0, 0.0)


def exploding(atoms: Atoms) -> None:
    atoms.calc = Morse(1e4)
    atoms.positions[0, 0] -= 0.3


def undefined(atoms: Atoms) -> None:
    atoms.calc = Morse(np.nan)


TROUBLE = {
    "hot": (hot, "after 0 fs: the temperature is"),
    "near": (near, "after 0 fs: atoms 0 and 1 are 1.000 A apart, below 0.6"),
    "exploding": (exploding, "after 0 fs: a force of"),
    "undefined": (undefined, "after 0 fs: a force of nan eV/A"),
}


@table("trouble", TROUBLE)
def test_trouble_stops_with_a_reason(trouble):
    change, reason = TROUBLE[trouble]
    atoms = silicon()
    change(atoms)
    course, frames = moved(atoms, ps=0.1)
    assert course.stopped.startswith(reason)
    assert len(course.times) == 1
    assert len(frames) == (trouble != "undefined")


def test_a_structure_in_which_nothing_can_move_is_refused():
    fixed = silicon()
    fixed.set_constraint(FixAtoms(range(4)))
    for atoms in (fixed, silicon()[:1]):
        with pytest.raises(RecipeError, match="none can move"):
            moved(atoms)


@pytest.mark.parametrize("name", ["ps", "kelvin", "fs", "every", "friction"])
def test_options_are_above_zero(name):
    with pytest.raises(RecipeError, match=f"{name} 0: it is a finite number above zero"):
        MdOptions(**{name: 0})


def test_near_atoms_are_found_across_a_period():
    atoms = Atoms("H2", [(0.1, 0, 0), (4.9, 0, 0)], cell=[5, 5, 5], pbc=True)
    assert "0 and 1 are 0.200 A apart" in near_atoms(atoms)
    atoms.set_cell([5, 5, 0])  # a slab
    atoms.pbc = (True, True, False)
    assert "0 and 1 are 0.200 A apart" in near_atoms(atoms)
    atoms.pbc = False
    assert not near_atoms(atoms)
