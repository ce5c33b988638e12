"""One structure of a file, with the labels that the file gives it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, final

import numpy as np

from scionwood import ReadError

LARGEST = 200_000
"""The most atoms of a frame: the graph of more does not fit the memory of a workstation."""


@final
@dataclass(frozen=True)
class Structure:
    """Atoms with their labels."""

    symbols: np.ndarray  # (n,), of the elements
    positions: np.ndarray  # (n, 3) float64, A
    cell: np.ndarray  # (3, 3) float64, A; the rows are lattice vectors, zero without a lattice
    pbc: np.ndarray  # (3,) bool, whether each lattice vector is a period
    energy: float | None  # eV
    forces: np.ndarray | None  # (n, 3) float64, eV/A
    stress: np.ndarray | None  # (3, 3) float64, eV/A^3, positive under tension
    notes: dict[str, str]  # what else the file states, its level of theory among it
    problem: str = ""  # why its labels are none, such as `unconverged electronic steps`

    @property
    def formula(self) -> str:
        """The formula, such as `C5H8O2`, the elements in alphabetical order."""
        names, counts = np.unique(self.symbols, return_counts=True)
        pairs = zip(names, counts, strict=True)
        return "".join(f"{name}{count if count > 1 else ''}" for name, count in pairs)

    def atoms(self) -> Any:
        """Return the atoms of ase, without labels."""
        from ase import Atoms

        return Atoms(self.symbols.tolist(), self.positions, cell=self.cell, pbc=self.pbc)


def tensor(path: Path, kind: str, index: int, stress: np.ndarray | None) -> np.ndarray | None:
    """Return a symmetric stress, (3, 3), of nine numbers or of six: xx yy zz yz xz xy."""
    if stress is None:
        return None
    if stress.size == 6:
        return np.asarray(stress.ravel()[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3))
    square = stress.reshape(3, 3) if stress.size == 9 else np.triu(np.ones((3, 3)))
    if np.abs(square - square.T).max() > 1e-3 * max(np.abs(square).max(), 1e-4):
        refuse(path, kind, index, "its stress is not a symmetric tensor", "Correct it")
    return np.asarray(square + square.T) / 2


def voigt(square: np.ndarray) -> np.ndarray:
    """Return the components xx yy zz yz xz xy of a symmetric tensor, (6,), as ase orders them."""
    return np.asarray(square.ravel()[[0, 4, 8, 5, 2, 1]])


def refuse(path: Path, kind: str, index: int, rule: str, remedy: str) -> NoReturn:
    """Refuse a frame of a file.

    Raises:
        ReadError: always.
    """
    raise ReadError(str(path), f"{kind}: frame {index}: {rule}", remedy)


def checked(path: Path, kind: str, index: int, one: Structure) -> Structure:
    """Return a structure if its numbers can be those of atoms, or raise `ReadError`."""
    from ase.data import atomic_numbers

    count = len(one.symbols)
    if not 0 < count <= LARGEST:
        rule = f"it has {count:,} atoms, and 1 to {LARGEST:,} are possible"
        refuse(path, kind, index, rule, "Cut out the part that you need")
    unknown = [name for name in set(one.symbols.tolist()) if not atomic_numbers.get(name)]
    if unknown:
        refuse(path, kind, index, f"there is no element {unknown[0]!r}", "Correct its symbol")
    parts = {"positions": one.positions, "cell": one.cell, "forces": one.forces}
    for name, values in {**parts, "stress": one.stress, "energy": one.energy}.items():
        shape = {"energy": (), "cell": (3, 3), "stress": (3, 3)}.get(name, (count, 3))
        if values is None:
            continue
        if np.shape(values) != shape:
            rule = f"its {name} has the shape {np.shape(values)}, and {count} atoms need {shape}"
            refuse(path, kind, index, rule, "Correct it")
        if not np.isfinite(values).all():
            rule = f"its {name} has a value that is not finite"
            refuse(path, kind, index, rule, "Leave the frame out")
    if one.pbc.any() and abs(np.linalg.det(one.cell)) < 1e-6:
        rule = f"pbc is {one.pbc.tolist()}, and its lattice has no volume"
        refuse(path, kind, index, rule, "State the lattice, or that there are no periods")
    return one
