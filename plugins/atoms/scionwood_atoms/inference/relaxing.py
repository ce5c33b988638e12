"""Relaxation of structures, and of their cells, with a reason for each end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE

from scionwood_atoms.inference.dynamics import near_atoms
from scionwood_atoms.model.graph import GraphError, structure_name
from scionwood_atoms.model.potential import GPA

FEW = 300
"""Atoms up to which a matrix of all second derivatives is kept; above it a step takes a second."""


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
        for done in optimiser.irun(fmax=limit, steps=steps):
            last.positions, last.cell = atoms.positions, atoms.cell
            stopped = near_atoms(atoms) or ("" if done else f"it took {steps} steps, the most")
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
