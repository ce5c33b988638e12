"""Relax structures: `scionwood atoms relax`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, OutputPath, RunPath, print_table, prints
from scionwood_atoms.verbs.options import check_positive

if TYPE_CHECKING:
    from scionwood_atoms.inference.dynamics import Relaxed


def _print_relaxed(structures: list[Relaxed]) -> int:
    """Print how each relaxation ended; the exit code is 1 if one did not reach its limit."""
    head = ["structure", "formula", "steps", "energy gained, eV", "force, eV/A", "stress, GPa"]
    rows = [
        [str(at), one.formula, str(one.steps)]
        + [f"{value:.4f}" for value in (one.gain, one.force, one.stress)]
        for at, one in enumerate(structures)
    ]
    print_table(head, rows, numeric=head[2:])
    for at, one in enumerate(structures):
        if one.stopped:
            print(f"structure {at} stopped: {one.stopped}")
    return int(any(one.stopped for one in structures))


@prints(_print_relaxed)
def relax(
    run: RunPath,
    structures: InputPath,
    target: OutputPath,
    *,
    cell: bool = False,
    limit: float = 0.02,
    steps: int = 500,
    force: bool = False,
) -> list[Relaxed]:
    """Move the atoms of each structure to a minimum of the energy, and the cell with `--cell`.

    Fixed atoms (the column `move_mask`) stay. A structure that did not reach the limit of the force
    is written as it is then, with the reason under the key `stopped`, and the exit status is 1.

    Args:
        run: a run that was fitted to `atoms/files`.
        structures: extended XYZ, a database of ase, or OUTCAR or vasprun.xml of VASP.
        target: the extended XYZ file to write, one structure after the other.
        cell: relax the cell too, by the stress; the structures must be periodic.
        limit: the largest force at which it ends, eV/A. With the cell, stress times the volume of
            an atom counts as a force.
        steps: the most steps.
        force: replace the target if it exists.

    Returns:
        How each relaxation ended.

    Raises:
        ScionwoodError: a file, the run, a structure or a number cannot be used.

    Example:
        >>> relaxed = relax("runs/water", "test.xyz", "relaxed.xyz", limit=1e-6, steps=1)
        >>> relaxed[0].formula, relaxed[0].stopped
        ('H2O', 'it took 1 steps, the most')
    """
    from scionwood_atoms.inference.ase_calculator import calculator
    from scionwood_atoms.inference.dynamics import check_cell, relax_atoms
    from scionwood_atoms.inference.structures import appender, read_structures, shown

    check_positive("limit", limit)
    check_positive("steps", steps)
    write, ends = appender(target, overwrite=force), []
    frames = read_structures(structures, moving=True)
    calc = calculator(run, strict=False)
    for atoms in frames:  # before any of them is relaxed
        calc.graph(atoms)
        if cell:
            check_cell(atoms)
    for atoms in shown(frames, "relaxing"):
        atoms.calc = calc
        ends.append(relax_atoms(atoms, cell=cell, limit=limit, steps=steps))
        atoms.info["energy_by"] = calc.scale(Counter(atoms.symbols))[1]
        if ends[-1].stopped:
            atoms.info["stopped"] = ends[-1].stopped
        write(atoms)
    return ends
