"""Selection: uncertain structures, and no two alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule

from scionwood import RecipeError
from scionwood_atoms.data.labels import Frame
from scionwood_atoms.inference.selecting import descriptions, select_frames
from scionwood_atoms.model.graph import Graph, pairs
from scionwood_atoms.readers.structure import Structure


class Stretched:
    """A committee that differs by how far a hydrogen is from its place."""

    def graph(self, atoms: object) -> Graph:
        return pairs(atoms, 5.0)  # type: ignore[arg-type]

    def forces(self, graphs: list[Graph]) -> list[np.ndarray]:
        away = [float(graph.positions[1, 1]) - 0.76 for graph in graphs]
        return [np.array([[[0, 0, x]] * 3, [[0, 0, -x]] * 3]) for x in away]


def frame(stretch: float, *, error: float | None) -> Frame:
    atoms = molecule("H2O")
    atoms.positions[1, 1] += stretch
    forces = None if error is None else np.full((3, 3), error)
    one = Structure(
        np.array(list(atoms.symbols)), atoms.positions, np.zeros((3, 3)),
        np.zeros(3, bool), -1.0, forces, None, {},
    )  # fmt: skip
    return Frame(Path("pool.xyz"), 0, one)


def test_copies_of_an_uncertain_structure_are_chosen_once():
    stretches = [0.4] * 5 + [0.3, 0.2] + [0.01] * 21  # seven of 28 are candidates
    pool = [frame(x, error=None) for x in stretches]
    selection = select_frames(Stretched(), pool, 2)  # type: ignore[arg-type]
    assert selection.indices == (0, 6)
    assert selection.correlation is None
    assert not selection.errors


def test_the_spread_is_compared_with_the_error_where_there_are_labels():
    stretches = np.linspace(0, 0.4, 12)
    selection = select_frames(
        Stretched(),  # type: ignore[arg-type]
        [frame(x, error=x**2) for x in stretches],
        2,
    )
    assert selection.correlation == pytest.approx(1.0)
    assert selection.errors["pool"] == pytest.approx(np.square(stretches).mean())
    assert selection.errors["selected"] > selection.errors["pool"]


def test_more_than_the_pool_is_refused():
    with pytest.raises(RecipeError, match="n 2: the pool has 1 structures"):
        select_frames(Stretched(), [frame(0.1, error=None)], 2)  # type: ignore[arg-type]


def test_a_description_does_not_know_where_a_structure_stands():
    atoms = molecule("CH3OH")
    turned = atoms[[5, 4, 3, 2, 1, 0]]
    turned.rotate(40, (1, 2, 3))
    turned.positions += 3
    stretched = molecule("CH3OH")
    stretched.set_distance(0, 1, 1.6)
    one, same, other = descriptions([pairs(one, 5.0) for one in (atoms, turned, stretched)])
    assert np.abs(one - same).max() < 1e-5
    assert np.abs(one - other).max() > 0.01
