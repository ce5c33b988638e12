"""Molecular dynamics with a run: `scionwood atoms md`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from scionwood import ReadError
from scionwood.authoring import InputPath, OutputPath, RunPath, print_table, prints
from scionwood_atoms.verbs.options import MdOptions

if TYPE_CHECKING:
    from scionwood_atoms.inference.dynamics import Dynamics


def _print_dynamics(dynamics: Dynamics) -> int:
    """Print what the dynamics held; the exit code is 1 if they stopped before their end."""
    facts = {
        "structures written": str(len(dynamics.times)),
        "length, ps": f"{dynamics.times[-1]:g}",
        "mean temperature, K": f"{dynamics.temperatures.mean():.1f}",
        "slope of the total energy, meV/atom/ps": f"{dynamics.drift:.4f}",
        "velocities at the start": dynamics.velocities,
    }
    print_table(["dynamics", ""], list(facts.items()))
    if dynamics.stopped:
        print(f"stopped {dynamics.stopped}")
    return int(bool(dynamics.stopped))


@prints(_print_dynamics)
def md(
    run: RunPath,
    structure: InputPath,
    target: OutputPath,
    options: MdOptions = MdOptions(),
    *,
    force: bool = False,
) -> Dynamics:
    """Move a structure by molecular dynamics, and stop where the run cannot be believed.

    The reasons to stop: a temperature above three times that of the thermostat, two atoms nearer
    than 0.6 of their covalent radii, and a force above 1000 eV/A. The exit status is then 1. The
    trajectory holds all structures until then, at every moment.

    Velocities are those of the file (`momenta`), or drawn. The centre of mass rests unless atoms
    are fixed (the column `move_mask`).

    Args:
        run: a run that was fitted to `atoms/files`.
        structure: extended XYZ, a database of ase, or OUTCAR or vasprun.xml of VASP; one of its
            structures moves.
        target: the trajectory to write, extended XYZ.
        options: of the dynamics.
        force: replace the trajectory if it exists.

    Returns:
        Energies and temperatures by time, and the reason if it stopped.

    Raises:
        ScionwoodError: a file, the run, the structure or an option cannot be used, or no atom can
            move; the message names it.

    Example:
        >>> dynamics = md("runs/water", "test.xyz", "moving.xyz", MdOptions(ps=0.01, every=10))
        >>> dynamics.times.tolist(), dynamics.velocities
        ([0.0, 0.005, 0.01], 'drawn at 300 K')
    """
    from scionwood_atoms.inference.ase_calculator import calculator
    from scionwood_atoms.inference.dynamics import run_dynamics
    from scionwood_atoms.inference.structures import appender, read_structures

    write = appender(target, overwrite=force)
    frames = read_structures(structure, moving=True)
    if options.frame >= len(frames):
        rule = f"it has {len(frames)} frames, counted from 0"
        raise ReadError(str(structure), rule, "Choose one of them with --frame")
    atoms = frames[options.frame]
    atoms.calc = calc = calculator(run, strict=False)
    atoms.info["energy_by"] = calc.scale(Counter(atoms.symbols))[1]
    return run_dynamics(atoms, options, write)
