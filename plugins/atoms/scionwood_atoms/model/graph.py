"""Graphs of atoms as tensors: neighbours for each model, and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from scionwood import ScionwoodError

if TYPE_CHECKING:
    from ase import Atoms


class GraphError(ScionwoodError, ValueError):
    """A structure has no graph for a model."""


@final
class Graph(NamedTuple):
    """Atoms of b structures with their e neighbours (directed pairs within a cutoff).

    The last three tensors are empty unless a model uses angles. All indices count over the batch.
    """

    numbers: Tensor
    """(n,) int64, atomic numbers."""
    positions: Tensor
    """(n, 3) float32, A, from the first atom of each structure."""
    cells: Tensor
    """(b, 3, 3) float32, A; the rows are lattice vectors, zero for a molecule."""
    owners: Tensor
    """(n,) int64, the structure of each atom."""
    edges: Tensor
    """(2, e) int64: the atom, and its neighbour."""
    images: Tensor
    """(e, 3) float32, the lattice translations of the neighbour."""
    bonds: Tensor
    """(e,) int64, the undirected bond of each directed pair."""
    firsts: Tensor
    """(e / 2,) int64, one directed pair of each bond."""
    angles: Tensor
    """(a, 5) int64: the central atom, then bond and directed pair of each of two neighbours."""

    def vectors(self) -> Tensor:
        """Return the vectors from the atoms to their neighbours, (e, 3), A."""
        start, end = self.edges
        shifts = torch.einsum("ei,eij->ej", self.images, self.cells[self.owners[start]])
        return self.positions[end] - self.positions[start] + shifts


def pairs(atoms: Atoms, cutoff: float) -> Graph:
    """Return the graph of one structure, of pairs within a cutoff, A, as SevenNet builds it.

    `GraphError` names atoms at one place, places that are not finite, and periods without a cell.
    """
    _check(atoms)
    cell = np.asarray(atoms.cell)
    start, end, lengths, images = neighbours(atoms.positions, cell, atoms.pbc, cutoff)
    _check_lengths(atoms, start, end, lengths)
    empty = torch.zeros(0, dtype=torch.int64)
    edges = torch.from_numpy(np.stack([start, end]).astype(np.int64))
    return _graph(atoms, edges, images, empty, empty, empty.reshape(0, 5))


def pairs_and_angles(atoms: Atoms, cutoff: float, angle_cutoff: float) -> Graph:
    """Return the graph of pairs and of angles between short bonds, as CHGNet builds it.

    A bond has angles up to a length of `angle_cutoff`. Both cutoffs are in A. Structures without
    periods, and atoms without a neighbour, raise `GraphError`.
    """
    from chgnet.graph.converter import CrystalGraphConverter
    from pymatgen.core.structure import Structure

    _check(atoms)
    if not atoms.pbc.all():
        rule = f"CHGNet is a model of crystals, and pbc is {atoms.pbc.tolist()}"
        raise GraphError(
            structure_name(atoms), rule, "Put it in a box of 12 A or more, or use SevenNet"
        )
    cell = np.asarray(atoms.cell)
    structure = Structure(cell, atoms.numbers, atoms.positions, coords_are_cartesian=True)
    make = CrystalGraphConverter(
        atom_graph_cutoff=cutoff, bond_graph_cutoff=angle_cutoff, on_isolated_atoms="ignore"
    )
    converted = make(structure)
    edges = converted.atom_graph.long().reshape(-1, 2).T.contiguous()
    alone = set(range(len(atoms))) - set(edges[0].tolist())
    if alone:
        rule = f"atom {min(alone)} has no neighbour within {cutoff} A, which CHGNet needs"
        raise GraphError(structure_name(atoms), rule, "Leave it out, or use SevenNet")
    images = converted.neighbor_image.numpy()
    bonds, firsts = converted.directed2undirected.long(), converted.undirected2directed.long()
    graph = _graph(atoms, edges, images, bonds, firsts, converted.bond_graph.long().reshape(-1, 5))
    lengths = graph.vectors().norm(dim=1).numpy()
    _check_lengths(atoms, edges[0].numpy(), edges[1].numpy(), lengths)
    return graph


def batch(graphs: Sequence[Graph]) -> Graph:
    """Return several graphs as one; the structures keep their order.

    Shapes: as `Graph`, with the sums of all counts.
    """
    shifted, atoms, structures, edges, bonds = [], 0, 0, 0, 0
    for graph in graphs:
        columns = torch.tensor([atoms, bonds, edges, bonds, edges])
        shifted.append(
            graph._replace(
                owners=graph.owners + structures,
                edges=graph.edges + atoms,
                bonds=graph.bonds + bonds,
                firsts=graph.firsts + edges,
                angles=graph.angles + columns,
            )
        )
        atoms, structures = atoms + len(graph.numbers), structures + len(graph.cells)
        edges, bonds = edges + len(graph.images), bonds + len(graph.firsts)
    parts = zip(Graph._fields, zip(*shifted, strict=True), strict=True)
    return Graph(*(torch.cat(part, dim=1 if name == "edges" else 0) for name, part in parts))


@final
class Labelled(NamedTuple):
    """A graph of b structures and n atoms with its labels."""

    graph: Graph
    energy: Tensor
    """(b,) float32, eV."""
    forces: Tensor
    """(n, 3) float32, eV/A."""
    stress: Tensor
    """(b, 3, 3) float32, eV/A^3, positive under tension; NaN where no label has it."""


def no_stress() -> Tensor:
    """Return the stress of a structure without one, (1, 3, 3)."""
    return torch.full((1, 3, 3), torch.nan)


def joined(structures: list[Labelled]) -> Labelled:
    """Return several labelled structures as one batch."""
    graphs, *labels = zip(*structures, strict=True)
    return Labelled(batch(graphs), *(torch.cat(part) for part in labels))


def _graph(
    atoms: Atoms, edges: Tensor, images: np.ndarray, bonds: Tensor, firsts: Tensor, angles: Tensor
) -> Graph:
    cell = np.where(atoms.pbc[:, None], np.asarray(atoms.cell), 0.0)
    positions, moved = _near_first(atoms, cell)
    start, end = edges.numpy()
    images = np.asarray(images).reshape(-1, 3) + moved[end] - moved[start]
    return Graph(
        torch.tensor(atoms.numbers, dtype=torch.int64),
        torch.tensor(positions, dtype=torch.float32),
        torch.tensor(cell[None], dtype=torch.float32),
        torch.zeros(len(atoms), dtype=torch.int64),
        edges,
        torch.tensor(images, dtype=torch.float32),
        bonds,
        firsts,
        angles,
    )


def _near_first(atoms: Atoms, lattice: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return positions from the first atom, A, and the lattice translations taken from each.

    float32 has 7 digits: an atom at 1e4 A would be 1e-3 A off. Atoms of a trajectory that was not
    wrapped are put into the image nearest to the first.
    """
    from ase.cell import Cell

    make: Any = Cell
    relative = atoms.positions - atoms.positions[0]
    steps = np.rint(relative @ np.linalg.inv(np.asarray(make(lattice).complete())))
    translations = np.where(atoms.pbc, steps, 0.0)
    return relative - translations @ lattice, translations


def neighbours(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return atoms, their neighbours within a cutoff, A, their distances and lattice translations.

    Directions without periods are as long as the structure.
    """
    from ase.cell import Cell
    from matscipy.neighbours import neighbour_list

    make: Any = Cell
    longest = np.ptp(positions, axis=0).sum() + 2 * cutoff
    lattice = np.asarray(make(np.where(pbc[:, None], cell, 0.0)).complete())
    box = np.where(pbc[:, None], lattice, longest * lattice)
    places = positions - positions.min(0)
    start, end, lengths, images = neighbour_list(
        "ijdS", cutoff=float(cutoff), positions=places, cell=box, pbc=pbc
    )
    return start, end, lengths, images


def _check(atoms: Atoms) -> None:
    if not len(atoms):
        raise GraphError(structure_name(atoms), "it has no atoms", "Leave it out")
    bad = ~np.isfinite(atoms.positions).all(1)
    if bad.any():
        rule = f"the position of atom {int(bad.argmax())} is not finite"
        raise GraphError(structure_name(atoms), rule, "Correct its file")
    periodic = np.asarray(atoms.cell)[atoms.pbc]
    if len(periodic) and np.linalg.matrix_rank(periodic) < len(periodic):
        rule = f"pbc is {atoms.pbc.tolist()}, and its cell does not span these directions"
        raise GraphError(structure_name(atoms), rule, "State the cell, or set pbc to F F F")


def _check_lengths(atoms: Atoms, start: np.ndarray, end: np.ndarray, lengths: np.ndarray) -> None:
    """Refuse atoms nearer than 0.01 A, whose forces are not defined or beyond any training set."""
    if len(lengths) and lengths.min() < 0.01:
        at = int(lengths.argmin())
        rule = f"atoms {start[at]} and {end[at]} are {lengths[at]:.3g} A apart"
        raise GraphError(structure_name(atoms), rule, "Remove one of them")


def structure_name(atoms: Any) -> str:
    """Return a structure as messages name it."""
    return f"structure {str(atoms.symbols)!r}"
