"""Adapt CHGNet (PBE) to a few crystals that its r2SCAN version labels: `atoms choose` with stress.

    python benchmarks/atoms_teacher.py --n 12 50

Both checkpoints are shipped by the package chgnet (BSD-3-Clause). Training and validation (8) are
strained and rattled crystals of 6 compounds; so is the test `same`, of another seed. The test
`other` holds 6 other compounds. Energies of `other` are not fixed by the labels and are left out.
Each network has three rates and the same number of steps; the validation forces choose the rate.
A row is written as soon as it is measured.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from runner import option, out, parsed, replace_rows

import scionwood
from scionwood_atoms import choose
from scionwood_atoms.backbones import potential
from scionwood_atoms.data.labels import read_frames
from scionwood_atoms.data.replay import DRIFT, REPLAY, crystals
from scionwood_atoms.evaluation.drift import GPA
from scionwood_atoms.model.potential import predictions
from scionwood_atoms.model.reference import Reference

SOURCE = ("MgO", "ZnS", "LiF", "TiC", "KBr", "GaN")
COMPOUNDS = ",".join(row for row in REPLAY.split(",") if row.split()[0] in SOURCE)
VALIDATION = 8
TESTED = 24


def label(path: Path, structures: list[Any], teacher: Any) -> Path:
    """Write crystals with the energies, forces and stress of the teacher."""
    found = predictions(teacher, [teacher.graph(one) for one in structures])
    for one, energy, forces, stress in zip(structures, *found, strict=True):
        voigt = stress.ravel()[[0, 4, 8, 5, 2, 1]]
        one.calc = SinglePointCalculator(one, energy=energy, forces=forces, stress=voigt)
    write(path, structures, format="extxyz")
    return path


def pool(lattices: Any, count: int, seed: int) -> list[Any]:
    """Return crystals whose compounds take turns, so that each is in the training."""
    found = crystals(lattices, count, seed, frozenset(range(1, 95)))
    names = [str(one.symbols) for one in found]
    turns = [names[:at].count(name) for at, name in enumerate(names)]
    return [found[at] for at in np.argsort(turns, kind="stable")]


def rms(values: Any) -> float:
    """Return the root mean square of arrays."""
    return float(np.sqrt(np.square(np.concatenate([np.ravel(one) for one in values])).mean()))


def errors(run: Path, path: Path, *, energies: bool) -> dict[str, float]:
    """Return the errors of a run on a file: meV/A, GPa and, if asked for, meV/atom."""
    model: Any = scionwood.load_run(run).backbone.eval()
    frames = list(read_frames(path))
    found = predictions(model, [model.graph(frame.structure.atoms()) for frame in frames])
    structures = [frame.structure for frame in frames]
    pulls = zip(found.forces, structures, strict=True)
    tensors = zip(found.stresses, structures, strict=True)
    row = {
        "force": 1e3 * rms(mine - one.forces for mine, one in pulls),
        "stress": GPA * rms(mine - one.stress for mine, one in tensors),
    }
    if energies:
        reference = Reference.read(run)
        totals = found.energies + [reference.of(frame.composition) for frame in frames]
        wrong = [
            (total - frame.structure.energy) / len(frame.structure.symbols)
            for total, frame in zip(totals, frames, strict=True)
        ]
        row["energy"] = 1e3 * rms(wrong)
    return {name: round(value, 3) for name, value in row.items()}


def main() -> None:
    options = parsed(
        __doc__,
        option("--n", type=int, nargs="+", default=[12, 50]),
        option("--seeds", type=int, nargs="+", default=[0]),
        option("--steps", type=int, default=60),
        out("atoms_teacher"),
    )
    teacher = potential("chgnet/r2scan").eval()
    for n, seed in ((n, seed) for n in options.n for seed in options.seeds):
        with TemporaryDirectory() as work:
            folder = Path(work)
            labels = label(folder / "labels.xyz", pool(COMPOUNDS, n + VALIDATION, seed), teacher)
            tests = {
                "same": label(folder / "same.xyz", pool(COMPOUNDS, TESTED, 100 + seed), teacher),
                "other": label(folder / "other.xyz", pool(DRIFT, TESTED, 100 + seed), teacher),
            }
            choice = choose(
                [labels],
                run=folder / "run",
                test=[tests["same"]],
                base="chgnet/0.3.0",
                reference="composition",
                share=VALIDATION / (n + VALIDATION),
                steps=options.steps,
                arms=["frozen", "lora", "full"],
                seed=seed,
            )
            for arm in choice.arms:
                key = {"arm": arm.model, "n": n, "seed": seed, "steps": options.steps}
                row = {**key, "rate": arm.rate, "validation_force": round(arm.force, 2)}
                row |= {"seconds": round(arm.seconds), "drift_force": round(arm.drift or 0.0, 2)}
                for name, path in tests.items():
                    found = errors(folder / "run-arms" / arm.name, path, energies=name == "same")
                    row |= {f"{name}_{kind}": value for kind, value in found.items()}
                print(*row.values(), sep="\t", flush=True)
                replace_rows(options.out, [row], list(key))


if __name__ == "__main__":
    main()
