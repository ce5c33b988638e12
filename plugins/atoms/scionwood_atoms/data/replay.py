"""Crystals without labels of their own: for replay, and to see how far a fit moved the model.

Both sets are built by ase from lattice constants. They share no compound, so that the drift is
measured on what a replay did not hold; some elements are in both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from scionwood import RecipeError
from scionwood_atoms.model.graph import Labelled
from scionwood_atoms.model.potential import Potential, predictions

DRIFT = """NaCl rocksalt 5.64, Si diamond 5.43, Cu fcc 3.61, GaAs zincblende 5.65,
CaO rocksalt 4.81, Fe bcc 2.87"""
"""Crystals on which drift is measured: formula, structure by the name of ase, and lattice constant,
A."""

REPLAY = """MgO rocksalt 4.21, Ge diamond 5.66, Al fcc 4.05, ZnS zincblende 5.41, LiF rocksalt 4.03,
W bcc 3.16, TiC rocksalt 4.33, KBr rocksalt 6.60, C diamond 3.57, NaF rocksalt 4.63,
KCl rocksalt 6.29, SiC zincblende 4.36, Ni fcc 3.52, FeO rocksalt 4.33, GaN zincblende 4.50,
CaS rocksalt 5.69, InAs zincblende 6.06, Cr bcc 2.88, TiN rocksalt 4.24, Ag fcc 4.09,
BN zincblende 3.62, Na bcc 4.29, LiH rocksalt 4.08"""
"""Crystals for replay, in the same form."""


def crystals(lattices: str, count: int, seed: int, elements: frozenset[int]) -> list[Any]:
    """Return strained and rattled crystals of two or four atoms, spread over the lattices.

    The lattices are `DRIFT` or `REPLAY`; of them remain those of the elements, by atomic number.
    """
    from ase.build import bulk

    rows = [row.split() for row in lattices.split(",")]
    small: list[Any] = [bulk(name, kind, a=float(a)) for name, kind, a in rows]
    cells = [cell.repeat((2, 1, 1)) for cell in small]
    usable = [cell for cell in cells if elements.issuperset(cell.numbers.tolist())]
    rng = np.random.default_rng(seed)
    return [shaken(usable[at * len(usable) // count], rng) for at in range(count)] if usable else []


def shaken(atoms: Any, rng: np.random.Generator) -> Any:
    """Return a copy of a crystal with a strain of 2 % and moves of 0.1 A."""
    moved = atoms.copy()
    strain = np.eye(3) + rng.normal(0, 0.02, (3, 3))
    moved.set_cell(moved.cell.array @ strain, scale_atoms=True)
    moved.positions += rng.normal(0, 0.1, moved.positions.shape)
    return moved


def replay_structures(model: Potential, count: int, seed: int) -> list[Labelled]:
    """Return crystals that the frozen model labels with energy, forces and stress.

    Their labels are on the scale of the model. A fit that starts from it has no loss on them.
    """
    if count < 0:
        raise RecipeError(f"data.replay {count}", "it is a number of crystals", "Such as 0 or 24")
    graphs = [model.graph(one) for one in crystals(REPLAY, count, seed, model.elements)]
    labels = predictions(model, graphs)
    return [
        Labelled(
            graph, *(torch.tensor(label).float() for label in ([energy], forces, stress[None]))
        )
        for graph, energy, forces, stress in zip(graphs, *labels, strict=True)
    ]
