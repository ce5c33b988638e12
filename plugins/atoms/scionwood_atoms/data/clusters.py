"""Seeded clusters and crystals of silicon with the labels of a pair potential."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from scionwood import SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_atoms.model.graph import Graph, batch, pairs

SPLITS = ("train", "val", "test")


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


@final
class Clusters(SplitData):
    """Small silicon clusters, moved at random, with a Morse potential as the labels.

    E = sum over pairs of D ((1 - exp(-a (r - r0)))^2 - 1). They show that a recipe runs; they are
    no model of silicon.

    Args:
        n: structures of the training split; the other two have a quarter as many each.
        atoms: atoms of a cluster.
        periodic: strained cells of two atoms instead of clusters; they have a stress.
        cutoff: distance of the neighbours in the graph, A.
        batch_size: structures of a step.
        seed: the seed of all structures; each split has its own.

    Shapes: a batch is a `Labelled`.

    Units: eV and A.

    Source: P. M. Morse 1929, doi:10.1103/PhysRev.34.57; D = 1 eV, a = 1.5 / A, r0 = 2.35 A.
    """

    def __init__(
        self,
        *,
        n: int = 32,
        atoms: int = 5,
        periodic: bool = False,
        cutoff: float = 4.0,
        batch_size: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n, self.atoms, self.cutoff, self.periodic = n, atoms, cutoff, periodic
        self.batch_size, self.seed = batch_size, seed
        self._splits: dict[str, list[Labelled]] = {}

    def setup(self, stage: str) -> None:
        """Make the splits."""
        few = max(self.n // 4, 1)
        for split, count in zip(SPLITS, (self.n, few, few), strict=True):
            rng = np.random.default_rng([self.seed, SPLITS.index(split)])
            make = self._crystal if self.periodic else self._cluster
            self._splits[split] = [make(rng) for _ in range(count)]

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; each has its own draw."""
        structures: Any = self._splits[split]
        return DataLoader(structures, self.batch_size, shuffle=split == "train", collate_fn=joined)

    def _cluster(self, rng: np.random.Generator) -> Labelled:
        from ase import Atoms

        chain = np.arange(self.atoms)[:, None] * (1.6, 1.6, 0.0) * np.array([1.0, 0.0, 0.0])
        chain[:, 1] = 1.7 * (np.arange(self.atoms) % 2)
        atoms = Atoms("Si" * self.atoms, chain + rng.normal(0, 0.12, chain.shape))
        energy, forces = morse(torch.tensor(atoms.positions))
        graph = pairs(atoms, self.cutoff)
        return Labelled(graph, energy[None].float(), forces.float(), no_stress())

    def _crystal(self, rng: np.random.Generator) -> Labelled:
        from ase.build import bulk
        from ase.calculators.morse import MorsePotential

        atoms = shaken(bulk("Si"), rng)
        make: Any = MorsePotential
        atoms.calc = make(epsilon=1.0, r0=2.35, rho0=1.5 * 2.35)
        labels = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)
        energy, forces, stress = (torch.tensor(label).float() for label in labels)
        return Labelled(pairs(atoms, self.cutoff), energy[None], forces, stress[None])


def shaken(atoms: Any, rng: np.random.Generator) -> Any:
    """Return a copy of a crystal with a strain of 2 % and moves of 0.1 A."""
    moved = atoms.copy()
    strain = np.eye(3) + rng.normal(0, 0.02, (3, 3))
    moved.set_cell(moved.cell.array @ strain, scale_atoms=True)
    moved.positions += rng.normal(0, 0.1, moved.positions.shape)
    return moved


def no_stress() -> Tensor:
    """Return the stress of a structure without one, (1, 3, 3)."""
    return torch.full((1, 3, 3), torch.nan)


def joined(structures: list[Labelled]) -> Labelled:
    """Return several labelled structures as one batch."""
    graphs, *labels = zip(*structures, strict=True)
    return Labelled(batch(graphs), *(torch.cat(part) for part in labels))


def morse(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Return the energy of a Morse potential, eV, and its forces, (n, 3), eV/A.

    D = 1 eV, a = 1.5 / A, r0 = 2.35 A. The positions are (n, 3), A.
    """
    start, end = torch.triu_indices(len(positions), len(positions), 1)
    apart = positions[end] - positions[start]
    length = apart.norm(dim=1)
    decay = torch.exp(-1.5 * (length - 2.35))
    energy = ((1 - decay) ** 2 - 1).sum()
    slope = 3.0 * (1 - decay) * decay
    pull = slope[:, None] * apart / length[:, None]
    forces = torch.zeros_like(positions)
    return energy, forces.index_add(0, start, pull).index_add(0, end, -pull)
