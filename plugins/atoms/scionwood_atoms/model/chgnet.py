"""CHGNet, an invariant network with angles, as a potential."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from typing import Any, final

import torch
from torch import Tensor, nn

from scionwood import WeightsError
from scionwood_atoms.model.graph import Graph, pairs_and_angles
from scionwood_atoms.model.potential import Potential
from scionwood_atoms.model.weights import load_shipped


@final
class ChgNet(Potential):
    """CHGNet (Deng et al. 2023, doi:10.1038/s42256-023-00716-3).

    The network divides its energy by the number of atoms; here it is that of the structure. No
    preset holds the embedding of the elements or their reference energies.
    """

    takes_molecules = False

    def __init__(self, net: Any, card: dict[str, str]) -> None:
        super().__init__()
        self.net, self.card = net, card
        last = len(net.atom_conv_layers) - 1
        # Nothing reads the angles that the last of their layers changes.
        angles = rf"angle_layers\.(?!{len(net.angle_layers) - 1}\.).+"
        self.adapter_targets = {
            "blocks": self._linear(rf"(atom|bond)_conv_layers\..+|{angles}"),
            "last": self._linear(rf"atom_conv_layers\.{last}\..+|mlp\..+"),
            "readout": self._linear(r"mlp\..+"),
        }

    def _linear(self, pattern: str) -> str:
        """Return a pattern of the linear layers that a pattern selects among other layers."""
        layers = (n for n, layer in self.net.named_modules() if isinstance(layer, nn.Linear))
        return "|".join(re.escape(f"net.{n}") for n in layers if re.fullmatch(pattern, n))

    @property
    def elements(self) -> frozenset[int]:
        """The atomic numbers that the network knows."""
        return frozenset(range(1, 95))  # to plutonium

    def neighbours(self, atoms: Any) -> Graph:
        """Return the pairs and angles of one periodic structure."""
        cutoffs = self.net.model_args
        return pairs_and_angles(atoms, cutoffs["atom_graph_cutoff"], cutoffs["bond_graph_cutoff"])

    def energies(self, graph: Graph) -> Tensor:
        """Return the energy of each structure, (b,), eV."""
        from chgnet.model.model import BatchedGraph

        net = self.net
        start = graph.edges[0]
        # The bond encoder adds `image @ lattice` to the neighbour. Here the translations of all
        # structures are one list of vectors, so that the lattice is the unit matrix.
        ends = graph.positions[start] + graph.vectors()
        ag, bg, directions = net.bond_basis_expansion(
            center=graph.positions[start],
            neighbor=ends,
            undirected2directed=graph.firsts,
            image=torch.zeros_like(ends),
            lattice=torch.eye(3, dtype=ends.dtype, device=ends.device),
        )
        angles = graph.angles
        bases = ends.new_zeros(0)
        if len(angles):
            bases = net.angle_basis_expansion(directions[angles[:, 2]], directions[angles[:, 4]])
        batched = BatchedGraph(
            atomic_numbers=graph.numbers,
            bond_bases_ag=ag,
            bond_bases_bg=bg,
            angle_bases=bases,
            batched_atom_graph=graph.edges.T,
            batched_bond_graph=angles[:, [0, 1, 3]],
            atom_owners=graph.owners,
            directed2undirected=graph.bonds,
            atom_positions=[],
            strains=[],
            volumes=[],
        )
        energy: Tensor = net._compute(batched)["e"]
        counts = torch.bincount(graph.owners)
        total = energy * counts if net.is_intensive else energy
        if net.composition_model is None:
            return total
        references = net.composition_model.fc.weight[0, graph.numbers - 1]
        return total.index_add(0, graph.owners, references)

    def example_input(self) -> tuple[Tensor, ...]:
        """Two silicon atoms, one of them moved from its place."""
        from ase.build import bulk

        atoms = bulk("Si")
        atoms.positions[0] += (0.1, 0.2, 0.3)
        return tuple(self.graph(atoms))


def load_chgnet(name: str) -> ChgNet:
    """Load the CHGNet `0.3.0` or `r2scan` of its package, or `tiny`; or raise `WeightsError`."""
    try:
        from chgnet.model.model import CHGNet
    except ImportError as error:
        remedy = "Run: pip install 'chgnet>=0.4.2,<0.5'"
        raise WeightsError("package chgnet", "it is not installed", remedy) from error

    state, card = load_shipped("chgnet", name)
    # No bias at the output, as `CHGNet.load` builds these two versions (chgnet issue 79).
    options = {} if name == "tiny" else {"mlp_out_bias": False, "version": name}
    with redirect_stdout(StringIO()), torch.random.fork_rng(devices=()):  # it prints its size
        return ChgNet(CHGNet.from_dict(state["model"], **options), card)
