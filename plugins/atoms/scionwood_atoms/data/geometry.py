"""What the places of atoms tell: duplicates, isolated atoms, and files with other units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from scionwood_atoms.model.graph import neighbours
from scionwood_atoms.readers.structure import Structure

APART = 8.0
"""A: an atom whose periodic images are further away is isolated, as codes in boxes compute it."""

TOUCHING = 0.05  # A: two atoms that are nearer are one atom twice

_WIDTH, _SAME = 1e-3, 2e-4  # A; OUTCAR prints five digits of a place, vasprun.xml eight
_NOBLE = {"He", "Ne", "Ar", "Kr", "Xe", "Rn"}


@final
class Register:
    """Structures that were met before, moved, turned or wrapped; the order of atoms counts.

    OUTCAR and vasprun.xml of one run round the places differently, and must not meet on both sides
    of a split.
    """

    def __init__(self) -> None:
        self._bins: defaultdict[tuple[object, ...], list[tuple[np.ndarray, int]]]
        self._bins, self._count = defaultdict(list), 0

    def add(self, one: Structure) -> int:
        """Return the number of the structure: that of an equal one, or the next."""
        key = (*one.symbols.tolist(), *one.pbc.tolist())
        distances = _distances(one)
        place = int(np.floor(distances.mean() / _WIDTH))
        for near in (place - 1, place, place + 1):
            for other, number in self._bins.get((*key, near), ()):
                if np.abs(other - distances).max() < _SAME:
                    return number
        self._bins[(*key, place)].append((distances, self._count))
        self._count += 1
        return self._count - 1


def _distances(one: Structure) -> np.ndarray:
    """Return the distances to three atoms, to the nearest image, and the shape of the cell."""
    from ase.geometry import find_mic

    count = len(one.symbols)
    starts = one.positions[[0, count // 3, 2 * count // 3]]
    apart = (one.positions - starts[:, None]).reshape(-1, 3)
    find: Any = find_mic
    lengths = find(apart, one.cell, one.pbc)[1] if one.pbc.any() else np.linalg.norm(apart, axis=1)
    gram = one.cell @ one.cell.T * one.pbc * one.pbc[:, None]
    return np.append(lengths, np.cbrt(np.abs(gram[np.triu_indices(3)])))


def is_isolated(one: Structure) -> bool:
    """Return whether a structure is an atom alone: without periods, or in a large box."""
    if len(one.symbols) > 1 or not one.pbc.any():
        return len(one.symbols) == 1
    from ase.geometry import minkowski_reduce

    reduce: Any = minkowski_reduce
    cell, _ = reduce(one.cell, one.pbc)
    return bool((np.linalg.norm(cell[one.pbc], axis=1) > APART).all())


def fault(one: Structure) -> tuple[str, str] | None:
    """Return what is wrong with a labelled structure, and the remedy; or `None`."""
    # The search sorts atoms into boxes of the cutoff: those of `TOUCHING` would be millions.
    start, end, lengths, _ = neighbours(one.positions, one.cell, one.pbc, 1.0)
    if len(lengths) and lengths.min() < TOUCHING:
        at = int(lengths.argmin())
        rule = f"its atoms {start[at]} and {end[at]} are {lengths[at]:.3g} A apart"
        return rule, "Remove one of them"
    if one.stress is not None and not one.pbc.all():
        rule = f"it has a stress, and its pbc is {one.pbc.tolist()}"
        return rule, "State its three periods, or leave the stress out"
    if not one.pbc.any() and abs(np.linalg.det(one.cell)) > 1e-6:
        start, end, lengths, images = neighbours(one.positions, one.cell, ~one.pbc, 3.5)
        radii = covalent(one.symbols.tolist())
        across = images.any(axis=1) & (lengths < 1.15 * (radii[start] + radii[end]))
        if across.any():
            at = int(across.argmax())
            rule = (
                f"its pbc is [False, False, False], and its lattice puts atom {start[at]} "
                f"{lengths[at]:.2f} A from an image of atom {end[at]}, as a crystal has it"
            )
            return rule, 'State pbc="T T T", or leave the lattice out'
    if one.forces is not None:
        still, net = ~one.forces.any(axis=1), float(np.abs(one.forces.sum(0)).max())
        if still.any() and net > max(0.1 * np.abs(one.forces).max(), 0.01):
            rule = (
                f"{int(still.sum())} of its atoms have no force at all, and the others add up to "
                f"{net:.2f} eV/A, as constraints leave them"
            )
            return rule, "Write the forces without constraints: get_forces(apply_constraint=False)"
    return None


def length_fault(structures: list[Structure]) -> str:
    """Return why the places cannot be in A, by the nearest neighbours; empty if they can."""
    ratios = []
    for one in structures:
        start, end, lengths, _ = neighbours(one.positions, one.cell, one.pbc, 5.0)
        if len(lengths) and not _NOBLE & set(one.symbols.tolist()):
            nearest = np.full(len(one.symbols), np.inf)
            radii = covalent(one.symbols.tolist())
            np.minimum.at(nearest, start, lengths / (radii[start] + radii[end]))
            ratios.append(float(np.median(nearest[np.isfinite(nearest)])))
    ratio = float(np.median(ratios)) if ratios else 1.0
    if 0.5 < ratio < 1.6:
        return ""
    guess = "bohr have 1.9" if ratio > 1 else "nm have 0.1, and fractions of a cell are small too"
    return f"nearest neighbours have {ratio:.2f} times the sum of their covalent radii; {guess}"


def covalent(symbols: Sequence[str]) -> np.ndarray:
    """Return the covalent radii of elements, A."""
    from ase.data import atomic_numbers, covalent_radii

    return np.asarray(covalent_radii[[atomic_numbers[name] for name in symbols]])
