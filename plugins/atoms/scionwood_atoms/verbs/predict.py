"""Predict energies, forces and stress of structures: `scionwood atoms predict`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import final

from scionwood.authoring import InputPath, OutputPath, RunPath, check_target, prints

MEANINGS = {
    "labels": "on the scale of your labels",
    "isolated atoms": "no label fixes its absolute energy, which stands on isolated atoms alone",
    "scale of the base": "no label fixes its energy, which is written as base_energy, for "
    "differences within this formula alone",
}
"""What an energy means, by what it stands on."""


@final
@dataclass(frozen=True)
class Predictions:
    """What the energies of predicted structures stand on.

    Attributes:
        frames: the number of structures by formula.
        energy_by: what the energy of a formula stands on: `labels`, `isolated atoms`, or `scale of
            the base`, which is no energy of your labels.
    """

    frames: dict[str, int]
    energy_by: dict[str, str]


def _print_predictions(predictions: Predictions, *, json: bool = False) -> None:
    """Print what the energies of each formula stand on.

    Args:
        predictions: the result.
        json: print JSON.
    """
    from dataclasses import asdict
    from json import dumps

    from scionwood.authoring import print_table

    if json:
        print(dumps(asdict(predictions), indent=1))
        return
    rows = [
        [name, str(count), MEANINGS[predictions.energy_by[name]]]
        for name, count in predictions.frames.items()
    ]
    print_table(["formula", "structures", "energy"], rows)


@prints(_print_predictions)
def predict(
    run: RunPath, structures: InputPath, target: OutputPath, *, force: bool = False
) -> Predictions:
    """Write structures with energy, forces and stress, in the reference of your labels.

    The key `energy_by` of each structure states what its energy stands on. Where no label fixes it,
    there is no `energy`, but `base_energy`, whose zero is that of the base. Stress is written for
    structures that are periodic in three directions.

    Args:
        run: a run that was fitted to `atoms/files`.
        structures: an extended XYZ file; labels under the usual keys are replaced.
        target: the extended XYZ file to write.
        force: replace the target if it exists.

    Returns:
        What the energies stand on, by formula.

    Raises:
        ReadError: the file or the run is damaged.
        GraphError: a structure has no graph for the network, such as one with an unknown element.
        LabelError: a structure has a charge.
        OutputExistsError: the target exists and `force` is false.
        WriteError: the target cannot be written.

    Example:
        >>> predict("runs/water", "test.xyz", "predicted.xyz").energy_by
        {'H2O': 'labels'}
    """
    from scionwood.authoring import atomic_path, writing
    from scionwood_atoms.inference.ase_calculator import BASE, calculator
    from scionwood_atoms.inference.structures import read_structures, shown, text

    check_target(target, force)
    atoms_of = read_structures(structures)
    calc = calculator(run, strict=False)
    counts: Counter[str] = Counter()
    scales: dict[str, str] = {}
    with writing(target), atomic_path(target, overwrite=force) as part, part.open("w") as file:
        for atoms in shown(atoms_of, "predicting"):
            calc.results = {}  # those of an equal structure have no energy any more
            atoms.calc = calc
            atoms.get_forces()
            formula = atoms.get_chemical_formula()
            scales[formula] = calc.scale(Counter(atoms.symbols))[1]
            counts[formula] += 1
            atoms.info["energy_by"] = scales[formula]
            if scales[formula] == BASE:
                atoms.info["base_energy"] = calc.results.pop("energy")
                del calc.results["free_energy"]
            file.write(text(atoms))
    return Predictions(dict(counts), scales)
