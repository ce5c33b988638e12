"""One structure of a file, with the labels that the file gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np


@final
@dataclass(frozen=True)
class Structure:
    """Atoms with their labels.

    Attributes:
        symbols: (n,), the symbols of the elements.
        positions: (n, 3) float64, A.
        cell: (3, 3) float64, A; the rows are lattice vectors, zero without a lattice.
        pbc: (3,) bool, whether each lattice vector is a period.
        energy: eV, or `None`.
        forces: (n, 3) float64, eV/A, or `None`.
        stress: (3, 3) float64, eV/A^3, positive under tension, or `None`.
        notes: the other values of the comment line, as text.
    """

    symbols: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    energy: float | None
    forces: np.ndarray | None
    stress: np.ndarray | None
    notes: dict[str, str]

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
