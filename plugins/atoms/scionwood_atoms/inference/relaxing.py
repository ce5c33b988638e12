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
from scionwood_atoms.verbs.options import RelaxOptions

FEW = 300
"""Atoms up to which a matrix of all second derivatives is kept; above it a step takes a second."""


@final
@dataclass(frozen=True)
class Relaxed:
    """How the relaxation of a structure ended.

    Attributes:
        formula: of the structure.
        steps: of the optimiser.
        gain: by how much the energy fell, eV.
        force: the largest force at the end, eV/A.
        stress: the largest component of the stress at the end, GPa; `nan` without periods.
        stopped: why it ended before the limit of the force; empty if it did not.
    """

    formula: str
    steps: int
    gain: float
    force: float
    stress: float
    stopped: str


def check_cell(atoms: Any, options: RelaxOptions) -> None:
    """Raise `GraphError` if the cell of a structure shall be relaxed that is not periodic."""
    if options.cell and not atoms.pbc.all():
        rule = f"pbc is {atoms.pbc.tolist()}, so that it has no cell to relax"
        raise GraphError(structure_name(atoms), rule, "Relax it without --cell")


def relax_atoms(atoms: Any, options: RelaxOptions) -> Relaxed:
    """Relax a structure, with its calculator, in place; `check_cell` comes before.

    Raises:
        GraphError: the structure has no graph.
    """
    formula, first = atoms.get_chemical_formula(), atoms.get_potential_energy()
    filtered: Any = FrechetCellFilter
    optimise: Any = BFGS if len(atoms) <= FEW else FIRE  # LBFGS climbs to saddle points
    optimiser = optimise(filtered(atoms) if options.cell else atoms, logfile=None, maxstep=0.1)
    stopped, last = "", atoms.copy()
    try:
        for done in optimiser.irun(fmax=options.limit, steps=options.steps):
            last.positions, last.cell = atoms.positions, atoms.cell
            stopped = "" if done else f"it took {options.steps} steps, the most"
            if near := near_atoms(atoms):
                stopped = near
                break
    except GraphError as error:
        stopped = str(error)
        atoms.set_cell(last.cell)
        atoms.set_positions(last.positions)
    force = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
    stress = GPA * np.abs(atoms.get_stress()).max() if atoms.pbc.all() else float("nan")
    gain = first - atoms.get_potential_energy()
    return Relaxed(formula, optimiser.nsteps, gain, force, float(stress), stopped)
