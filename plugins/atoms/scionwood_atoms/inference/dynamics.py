"""Relaxation, and dynamics that stop where a potential can no longer be believed, with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, final

import numpy as np
from ase import units
from ase.constraints import FixCom
from ase.data import covalent_radii
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import Stationary, ZeroRotation, thermalize_momenta
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS, FIRE

from scionwood import RecipeError
from scionwood_atoms.inference.structures import Write, shown
from scionwood_atoms.model.graph import GraphError, pairs, structure_name
from scionwood_atoms.model.potential import GPA
from scionwood_atoms.verbs.options import MdOptions

CLOSEST = 0.6
"""The share of the sum of covalent radii below which two atoms are too near for any bond."""
LARGEST_FORCE = 1000.0
"""eV/A; an atom at a tenth of a bond has such a force, and one step would throw it away."""


FEW = 300
"""Atoms up to which a matrix of all second derivatives is kept; above it a step takes a second."""


@final
@dataclass(frozen=True)
class Dynamics:
    """The course of molecular dynamics, at the m times that its trajectory holds."""

    times: np.ndarray  # (m,), ps
    energies: np.ndarray  # (2, m), potential and total energy, eV
    temperatures: np.ndarray  # (m,), K
    velocities: str  # where those of the start come from
    stopped: str  # why it stopped before its end; empty if it did not
    atoms: int

    @property
    def drift(self) -> float:
        """The slope of the total energy, meV/atom/ps; `nan` with fewer than three times."""
        if len(self.times) < 3:
            return float("nan")
        return float(np.polyfit(self.times, self.energies[1], 1)[0]) * 1000 / self.atoms


def run_dynamics(atoms: Any, options: MdOptions, write: Write) -> Dynamics:
    """Move a structure, with its calculator, by Langevin dynamics or at constant energy.

    `write` appends one structure to the trajectory. A structure in which no atom can move is
    refused.
    """
    if len(atoms) < 2 or not atoms.get_number_of_degrees_of_freedom():
        rule = f"it has {len(atoms)} atoms, of which none can move against another"
        raise RecipeError(structure_name(atoms), rule, "Give two atoms, not all fixed")
    atoms.get_forces()  # a structure without a graph is refused before anything is written
    velocities, steps = _start(atoms, options), ceil(1000 * options.ps / options.fs - 1e-9)
    rows: list[tuple[float, ...]] = []
    course, stopped, step = _integrator(atoms, options).irun(steps), "", 0
    try:
        for step, _ in enumerate(shown(course, "dynamics", steps + 1)):
            stopped = _trouble(atoms, options.kelvin)
            if stopped or step % options.every == 0 or step == steps:
                rows.append(_recorded(atoms, step * options.fs / 1000, write))
            if stopped:
                break
    except GraphError as error:  # atoms at one place, whose structure cannot be written
        stopped = str(error)
    if stopped:
        stopped = f"after {step * options.fs:g} fs: {stopped}"
    table = np.array(rows).T
    return Dynamics(table[0], table[1:3], table[3], velocities, stopped, len(atoms))


def near_atoms(atoms: Any) -> str:
    """Return which two atoms are nearer than 0.6 of their covalent radii; empty if none are."""
    radii = CLOSEST * covalent_radii[atoms.numbers]
    graph = pairs(atoms, 2 * float(radii.max()))
    (start, end), lengths = graph.edges.numpy(), graph.vectors().norm(dim=1).numpy()
    share = lengths / (radii[start] + radii[end])
    if not len(share) or share.min() >= 1:
        return ""
    at = int(share.argmin())
    apart = f"atoms {start[at]} and {end[at]} are {lengths[at]:.3f} A apart"
    return f"{apart}, below {CLOSEST} of their covalent radii"


def _start(atoms: Any, options: MdOptions) -> str:
    """Set velocities and return where they come from; the centre of mass rests if none is fixed."""
    momenta = atoms.get_momenta()
    free = not atoms.constraints
    if momenta.any():
        drift = np.linalg.norm(momenta.sum(0)) / atoms.get_masses().sum() * 1000 * units.fs
        if not free or drift < 1e-3:
            return "those of the file"
        Stationary(atoms, preserve_temperature=False)
        return f"those of the file, less {drift:.3g} A/ps of the centre of mass"
    rng = np.random.default_rng(options.seed)
    thermalize_momenta(atoms, options.kelvin, rng=rng)
    if free:
        Stationary(atoms)
        if not atoms.pbc.any():
            ZeroRotation(atoms)
    return f"drawn at {options.kelvin:g} K"


def _integrator(atoms: Any, options: MdOptions) -> Any:
    step = options.fs * units.fs
    if options.nve:
        return VelocityVerlet(atoms, step)
    if not atoms.constraints:
        atoms.set_constraint(FixCom())
    rng = np.random.default_rng([options.seed, 1])
    friction = options.friction / (1000 * units.fs)
    return Langevin(
        atoms, step, temperature_K=options.kelvin, friction=friction, fixcm=False, rng=rng
    )


def _trouble(atoms: Any, kelvin: float) -> str:
    largest, hot = float(np.abs(atoms.get_forces()).max()), atoms.get_temperature()
    if not (largest < LARGEST_FORCE and np.isfinite(hot)):
        return f"a force of {largest:.3g} eV/A"
    # The temperature of few atoms varies by the square root of 2 / degrees of freedom.
    limit = max(3.0, 1 + 6 * sqrt(2 / atoms.get_number_of_degrees_of_freedom())) * kelvin
    if hot > limit:
        return f"the temperature is {hot:.0f} K, above {limit:.0f} K"
    return near_atoms(atoms)


def _recorded(atoms: Any, time: float, write: Write) -> tuple[float, ...]:
    energy, hot = atoms.get_potential_energy(), atoms.get_temperature()
    values = (time, energy, energy + atoms.get_kinetic_energy(), hot)
    if np.isfinite([*values, *atoms.get_forces().ravel()]).all():
        atoms.info |= {"time_ps": round(time, 7), "temperature": round(hot, 3)}
        write(atoms)
    return values


@final
@dataclass(frozen=True)
class Relaxed:
    """How the relaxation of a structure ended."""

    formula: str
    steps: int  # of the optimiser
    gain: float  # by how much the energy fell, eV
    force: float  # the largest at the end, eV/A
    stress: float  # its largest component at the end, GPa; `nan` without periods
    stopped: str  # why it ended before the limit of the force; empty if it did not


def check_cell(atoms: Any) -> None:
    """Raise `GraphError` if a structure has no cell to relax."""
    if not atoms.pbc.all():
        rule = f"pbc is {atoms.pbc.tolist()}, so that it has no cell to relax"
        raise GraphError(structure_name(atoms), rule, "Relax it without --cell")


def relax_atoms(atoms: Any, *, cell: bool, limit: float, steps: int) -> Relaxed:
    """Relax a structure, with its calculator, in place; `check_cell` comes before.

    Raises:
        GraphError: the structure has no graph.
    """
    formula, first = atoms.get_chemical_formula(), atoms.get_potential_energy()
    filtered: Any = FrechetCellFilter
    optimise: Any = BFGS if len(atoms) <= FEW else FIRE  # LBFGS climbs to saddle points
    optimiser = optimise(filtered(atoms) if cell else atoms, logfile=None, maxstep=0.1)
    stopped, last = "", atoms.copy()
    try:
        for converged in optimiser.irun(fmax=limit, steps=steps):
            last.positions, last.cell = atoms.positions, atoms.cell
            stopped = near_atoms(atoms) or ("" if converged else f"it took {steps} steps, the most")
            if near_atoms(atoms):
                break
    except GraphError as error:
        stopped = str(error)
        atoms.set_cell(last.cell)
        atoms.set_positions(last.positions)
    force = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
    stress = GPA * np.abs(atoms.get_stress()).max() if atoms.pbc.all() else float("nan")
    gain = first - atoms.get_potential_energy()
    return Relaxed(formula, optimiser.nsteps, gain, force, float(stress), stopped)
