"""Energy, forces and stress of a network, by the derivatives of its energy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from scionwood_atoms.model.graph import Graph, GraphError, batch, structure_name

GPA = 160.21766  # GPA in eV/A^3; CODATA 2018


@final
class Prediction(NamedTuple):
    """What a potential predicts of b structures with n atoms in all."""

    energy: Tensor
    """(b,) float32, eV."""
    forces: Tensor
    """(n, 3) float32, eV/A: minus the gradient of the energy."""
    virial: Tensor
    """(b, 3, 3) float32, eV: the derivative by strain. Over the volume it is the stress of ase,
    whose sign is positive under tension."""


class Potential(nn.Module, ABC):
    """A network that gives the energy of each structure of a graph."""

    adapter_targets: dict[str, str]  # presets of layers that adapters may change
    head: ClassVar[tuple[str, ...]] = ()  # nothing trains beside an adapter
    takes_molecules: ClassVar[bool] = True  # whether isolated atoms have a graph
    card: dict[str, str]

    @property
    @abstractmethod
    def elements(self) -> frozenset[int]:
        """The atomic numbers that the network knows."""

    def example_input(self) -> tuple[Tensor, ...]:
        """A water molecule without symmetry."""
        from ase import Atoms

        places = [(0.0, 0.0, 0.1), (0.1, 0.76, -0.48), (0.0, -0.7, -0.5)]
        return tuple(self.graph(Atoms("OHH", places)))

    @abstractmethod
    def energies(self, graph: Graph) -> Tensor:
        """Return the energy of each structure, (b,), eV; differentiable in positions and cells."""

    def graph(self, atoms: Any) -> Graph:
        """Return the graph of one structure of ase.

        Raises:
            GraphError: the network does not know an element; or see `pairs` and `pairs_and_angles`.
        """
        unknown = sorted(set(atoms.numbers.tolist()) - self.elements)
        if unknown:
            rule = f"{type(self).__name__} does not know the atomic number {unknown[0]}"
            raise GraphError(structure_name(atoms), rule, "Leave it out, or use another model")
        return self.neighbours(atoms)

    @abstractmethod
    def neighbours(self, atoms: Any) -> Graph:
        """Return the graph of one structure of known elements, as this network wants it."""

    def forward(self, *tensors: Tensor) -> Prediction:
        """Return energy, forces and virial of the structures of a graph.

        Gradients by the weights reach forces and virial in training mode only.
        """
        graph = Graph(*tensors)
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            positions = graph.positions.detach().requires_grad_()
            strain = torch.zeros_like(graph.cells).requires_grad_()
            # A strain turns x to x (1 + e). Only its symmetric part is a strain, the rest turns.
            symmetric = (strain + strain.mT) / 2
            moved = positions + torch.einsum("ni,nij->nj", positions, symmetric[graph.owners])
            cells = graph.cells + graph.cells @ symmetric
            energy = self.energies(graph._replace(positions=moved, cells=cells))
            slope, virial = torch.autograd.grad(
                energy.sum(),
                (positions, strain),
                create_graph=self.training and differentiable,
                retain_graph=differentiable,
                materialize_grads=True,
            )
        return Prediction(energy if differentiable else energy.detach(), -slope, virial)


@final
class EnergyOf(nn.Module):
    """The energies of a potential alone, for programs that differentiate by themselves."""

    def __init__(self, potential: nn.Module) -> None:
        super().__init__()
        self.potential = potential

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return the energy of each structure, (b,), eV."""
        potential: Any = self.potential
        energies: Tensor = potential.energies(Graph(*tensors))
        return energies


@final
class Predicted(NamedTuple):
    """Predictions of m structures, apart."""

    energies: np.ndarray
    """(m,) float64, eV."""
    forces: list[np.ndarray]
    """m arrays (atom, 3) float64, eV/A."""
    stresses: list[np.ndarray]
    """m arrays (3, 3) float64, eV/A^3, positive under tension; zero without a cell."""


def predictions(potential: nn.Module, graphs: Sequence[Graph], *, size: int = 8) -> Predicted:
    """Return the predictions of a potential in evaluation mode, `size` structures at once."""
    energies, forces, stresses = list[float](), list[np.ndarray](), list[np.ndarray]()
    for start in range(0, len(graphs), size):
        group = graphs[start : start + size]
        with torch.no_grad():
            prediction: Prediction = potential(*batch(group))
        energies += prediction.energy.double().tolist()
        counts = [graph.numbers.shape[0] for graph in group]
        forces += [part.double().numpy() for part in prediction.forces.split(counts)]
        for graph, virial in zip(group, prediction.virial.double(), strict=True):
            volume = float(torch.linalg.det(graph.cells[0].double()).abs())
            stresses.append((virial / volume if volume else 0 * virial).numpy())
    return Predicted(np.array(energies), forces, stresses)


def rms(values: np.ndarray) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.square(values).mean()))
