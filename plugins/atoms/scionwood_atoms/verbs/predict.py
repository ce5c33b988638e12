"""Predict energies, forces and stress of structures: `scionwood atoms predict`."""

from __future__ import annotations

from collections import Counter

from scionwood.authoring import (
    InputPath,
    OutputPath,
    RunPath,
    atomic_path,
    check_target,
    print_table,
    prints,
    writing,
)


def _print_scales(scales: dict[str, str]) -> None:
    """Print what the energy of each formula stands on."""
    print_table(["formula", "its energy stands on"], list(scales.items()))


@prints(_print_scales)
def predict(
    run: RunPath, structures: InputPath, target: OutputPath, *, force: bool = False
) -> dict[str, str]:
    """Write structures with energy, forces and stress, in the reference of your labels.

    The key `energy_by` of each structure states what its energy stands on. Where no label fixes it,
    there is no `energy`, but `base_energy`, whose zero is that of the base. Stress is written for
    structures that are periodic in three directions.

    Args:
        run: a run that was fitted to `atoms/files`.
        structures: extended XYZ, a database of ase, or OUTCAR or vasprun.xml of VASP; its labels
            are replaced.
        target: the extended XYZ file to write.
        force: replace the target if it exists.

    Returns:
        By formula, what its energy stands on: `labels`, `isolated atoms` or `scale of the base`.

    Raises:
        ScionwoodError: a file, the run or a structure, such as one of an unknown element or with a
            charge, cannot be used. Nothing is written then.

    Example:
        >>> predict("runs/water", "test.xyz", "predicted.xyz")
        {'H2O': 'labels'}
    """
    from scionwood_atoms.inference.ase_calculator import BASE, calculator
    from scionwood_atoms.inference.structures import read_structures, shown, text

    check_target(target, force)
    frames = read_structures(structures)
    calc, scales = calculator(run, strict=False), {}
    with writing(target), atomic_path(target, overwrite=force) as part, part.open("w") as file:
        for atoms in shown(frames, "predicting"):
            calc.results = {}  # those of an equal structure before may have no energy any more
            atoms.calc = calc
            atoms.get_forces()
            scale = calc.scale(Counter(atoms.symbols))[1]
            scales[atoms.get_chemical_formula()] = atoms.info["energy_by"] = scale
            if scale == BASE:
                atoms.info["base_energy"] = calc.results.pop("energy")
                del calc.results["free_energy"]
            file.write(text(atoms))
    return scales
