"""MACE, an equivariant network of many-body messages, as a potential: from a user's file."""

from __future__ import annotations

import pickletools
import re
from collections.abc import Mapping
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, cast, final
from zipfile import ZipFile

import torch
from torch import Tensor, nn

from scionwood import WeightsError
from scionwood.authoring import read_tensors, reading
from scionwood_atoms.model.graph import Graph, pairs
from scionwood_atoms.model.potential import Potential

CLASSES = {"RealAgnosticResidualInteractionBlock", "ScaleShiftMACE", "BesselBasis"}
"""The classes of a file that are known here; others of these kinds are other networks."""
KINDS = r"\w+InteractionBlock|\w*MACE\w*|\w+Basis|\w+Transform"
_READOUT = r"net\.readouts\.\d+\.linear(_[12])?"
_LAYERS, _RADIAL = r"(interactions|products)\.\d+\.linear(_up)?", r"conv_tp_weights\.layer\d+"


@final
class Mace(Potential):
    """MACE (Batatia et al. 2022, arXiv:2206.07697): the energy of interaction alone.

    The energies of its isolated atoms are left out: reference energies take their place. No preset
    holds the layers of the one-hot elements.
    """

    def __init__(self, net: MaceNet, card: dict[str, str]) -> None:
        super().__init__()
        self.net, self.card = net, card
        last = rf"(interactions|products|readouts)\.{len(net.products) - 1}\.linear\w*"
        self.adapter_targets = {
            "all": rf"net\.({_LAYERS}|interactions\.\d+\.{_RADIAL})|{_READOUT}",
            "equivariant": rf"net\.{_LAYERS}|{_READOUT}",
            "radial": rf"net\.interactions\.\d+\.{_RADIAL}",
            "last": rf"net\.{last}",
            "readout": _READOUT,
        }

    @property
    def elements(self) -> frozenset[int]:
        """The atomic numbers that the network knows."""
        return frozenset(self.net.atomic_numbers.tolist())

    def neighbours(self, atoms: Any) -> Graph:
        """Return the pairs of one structure within the cutoff."""
        return pairs(atoms, self.net.cutoff)

    def energies(self, graph: Graph) -> Tensor:
        """Return the energy of each structure, (b,), eV."""
        kinds = torch.searchsorted(self.net.atomic_numbers, graph.numbers)
        atomic: Tensor = self.net(kinds, graph.edges, graph.vectors())
        return atomic.new_zeros(graph.cells.shape[0]).index_add(0, graph.owners, atomic)


def load_mace(path: Path) -> Mace:
    """Load a file that mace-torch saved, a whole module; its code is not run.

    Tensors are read in a restricted process, where classes stay placeholders. The sizes of the
    network follow from their shapes, and the mean number of neighbours from a listing of the file.

    Raises:
        WeightsError: it is damaged, or another network than MACE with residual interactions.
    """
    tensors, names, neighbours, word = read_tensors(path), set[str](), 0.0, ""
    with reading(path, "model of MACE"), ZipFile(path) as archive:
        pickle = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        for step, value, _ in pickletools.genops(archive.read(pickle)):  # lists, and runs nothing
            if step.name == "GLOBAL":
                names.add(str(value).split()[-1])
            elif step.name == "BINFLOAT" and word == "avg_num_neighbors":
                neighbours = float(cast(float, value))
            word = value if isinstance(value, str) else word if "PUT" in step.name else ""
        others = {name for name in names if re.fullmatch(KINDS, name)} - CLASSES
        others |= {name.split(".")[0] for name in tensors} & {"pair_repulsion_fn"}
        if others or not neighbours or tensors["scale_shift.scale"].numel() != 1:
            text = ", ".join(sorted(others)) or "several heads, or no mean number of neighbours"
            rule = f"it holds {text}, and {', '.join(sorted(CLASSES))} with one head are known"
            raise WeightsError(str(path), rule, "Use SevenNet, or a MACE such as MP-0 or OFF23")
        with torch.random.fork_rng(devices=()):  # weights are drawn, then replaced
            net = MaceNet(tensors, neighbours)
        read, state = {name for name, _ in net.named_parameters()}, dict[str, Tensor]()
        for name, value in net.state_dict().items():
            if name in read or "U_matrix" in name:
                if name not in tensors or tensors[name].numel() != value.numel():
                    rule = f"its tensor {name} has not the {value.numel()} numbers of this network"
                    raise WeightsError(str(path), rule, "Copy it again")
                state[name] = tensors[name].reshape(value.shape)
        net.load_state_dict(state, strict=False)
        digest = sha256(path.read_bytes()).hexdigest()
    weights = {"weights": f"{path.name}, sha256 {digest}", "licence": "that of the file"}
    return Mace(net, {"architecture": "MACE", **weights})


class MaceNet(nn.Module):
    """The network: names of parameters are those of mace-torch 0.3, whose code (MIT) it follows."""

    atomic_numbers: Tensor
    waves: Tensor

    def __init__(self, tensors: Mapping[str, Tensor], neighbours: float) -> None:
        from e3nn import nn as layers
        from e3nn import o3

        super().__init__()
        self.register_buffer("atomic_numbers", tensors["atomic_numbers"].long())
        self.cutoff, radial = float(tensors["r_max"]), "radial_embedding."
        self.power = float(tensors[f"{radial}cutoff_fn.p"])
        self.register_buffer("waves", tensors[f"{radial}bessel_fn.bessel_weights"].float())
        self.scale, self.shift = (float(tensors[f"scale_shift.{n}"]) for n in ("scale", "shift"))
        elements = len(self.atomic_numbers)
        channels = len(tensors["node_embedding.linear.weight"]) // elements
        contractions = "products.{}.symmetric_contractions.contractions.{}.U_matrix_1"
        highest = round(tensors[contractions.format(0, 0)].shape[-2] ** 0.5) - 1

        def irreps(degrees: int) -> Any:
            return o3.Irreps([(channels, (degree, (-1) ** degree)) for degree in range(degrees)])

        self.harmonics = o3.SphericalHarmonics(
            o3.Irreps.spherical_harmonics(highest), normalize=True, normalization="component"
        )
        kinds, features = o3.Irreps(f"{elements}x0e"), irreps(1)
        self.node_embedding = nn.ModuleDict({"linear": o3.Linear(kinds, features)})
        self.interactions, self.products, self.readouts = (nn.ModuleList() for _ in range(3))
        for at in range(int(tensors["num_interactions"])):
            hidden = irreps(next(n for n in count() if contractions.format(at, n) not in tensors))
            layer = rf"interactions\.{at}\.conv_tp_weights\.layer\d+\.weight"
            sizes = [len(value) for name, value in tensors.items() if re.fullmatch(layer, name)]
            self.interactions.append(
                Interaction(features, irreps(highest + 1), hidden, kinds, sizes, neighbours)
            )
            self.products.append(Product(tensors, f"products.{at}.", hidden))
            width = len(tensors.get(f"readouts.{at}.linear_2.weight", ()))
            middle, end, act = o3.Irreps(f"{width}x0e"), "1x0e", nn.functional.silu
            steps = {"linear": o3.Linear(hidden, end)}
            if width:
                steps = {"linear_1": o3.Linear(hidden, middle)}
                steps |= {
                    "act": layers.Activation(middle, [act]),
                    "linear_2": o3.Linear(middle, end),
                }
            self.readouts.append(nn.ModuleDict(steps))
            features = hidden

    def forward(self, kinds: Tensor, edges: Tensor, vectors: Tensor) -> Tensor:
        """Return the energy of each atom, (n,), eV.

        Kinds are (n,), the index of each element; edges (2, e); vectors (e, 3), A.
        """
        one_hot = nn.functional.one_hot(kinds, len(self.atomic_numbers)).to(vectors.dtype)
        lengths, p = vectors.norm(dim=1, keepdim=True), self.power
        x = lengths / self.cutoff
        bracket = (p + 1) * (p + 2) / 2 - p * (p + 2) * x + p * (p + 1) / 2 * x**2
        waves = (2 / self.cutoff) ** 0.5 * torch.sin(self.waves * lengths) / lengths
        radial = waves * (1 - x**p * bracket) * (x < 1)
        harmonics, features = self.harmonics(vectors), self.node_embedding["linear"](one_hot)
        energy: Tensor = features.new_zeros(len(kinds))
        for at, block in enumerate(self.interactions):
            messages, skipped = block(features, one_hot, edges, harmonics, radial)
            features = self.products[at](messages, kinds) + skipped
            atomic = features
            for step in cast(nn.ModuleDict, self.readouts[at]).values():
                atomic = step(atomic)
            energy = energy + atomic[:, 0]
        return self.scale * energy + self.shift


class Interaction(nn.Module):
    """Messages of neighbours, (n, channel, harmonic), and the part of the features that stays."""

    def __init__(
        self, features: Any, target: Any, hidden: Any, kinds: Any, sizes: list[int], mean: float
    ) -> None:
        from e3nn import nn as layers
        from e3nn import o3

        super().__init__()
        self.target, self.mean = target, mean
        harmonics = o3.Irreps.spherical_harmonics(target.lmax)
        paths = [
            (first, second, channels, part)
            for first, (channels, one) in enumerate(features)
            for second, (_, other) in enumerate(harmonics)
            for part in one * other
            if part in target
        ]
        outputs, places, _ = o3.Irreps([(channels, part) for *_, channels, part in paths]).sort()
        steps = [(a, b, places[at], "uvu", True) for at, (a, b, *_) in enumerate(paths)]
        steps.sort(key=lambda step: step[2])
        options = {"shared_weights": False, "internal_weights": False}
        self.linear_up = o3.Linear(features, features)
        self.conv_tp = o3.TensorProduct(features, harmonics, outputs, steps, **options)
        sizes = [*sizes, self.conv_tp.weight_numel]
        self.conv_tp_weights = layers.FullyConnectedNet(sizes, nn.functional.silu)
        self.linear = o3.Linear(outputs.simplify(), target)
        self.skip_tp = o3.FullyConnectedTensorProduct(features, kinds, hidden)

    def forward(
        self, features: Tensor, one_hot: Tensor, edges: Tensor, harmonics: Tensor, radial: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return both; the features are (n, feature)."""
        start, end = edges
        moved = self.linear_up(features)
        sent = self.conv_tp(moved[start], harmonics, self.conv_tp_weights(radial))
        sums = sent.new_zeros(len(features), sent.shape[1]).index_add(0, end, sent)
        parts = (self.linear(sums) / self.mean).split([m * one.dim for m, one in self.target], 1)
        pairs = zip(parts, self.target, strict=True)
        messages = [part.view(-1, channels, one.dim) for part, (channels, one) in pairs]
        return torch.cat(messages, 2), self.skip_tp(features, one_hot)


class Product(nn.Module):
    """Products of the messages of an atom with themselves, with weights for each element."""

    def __init__(self, tensors: Mapping[str, Tensor], name: str, hidden: Any) -> None:
        from e3nn import o3

        super().__init__()
        self.symmetric_contractions = nn.ModuleDict({"contractions": nn.ModuleList()})
        for at in range(len(hidden)):
            part, start = nn.Module(), f"{name}symmetric_contractions.contractions.{at}."
            keys = [f"{start}weights.{n}" for n in range(9) if f"{start}weights.{n}" in tensors]
            weights = [torch.empty_like(tensors[key]).float() for key in keys]
            part.weights = nn.ParameterList([nn.Parameter(one) for one in weights])
            first = torch.empty_like(tensors[f"{start}weights_max"]).float()
            part.weights_max = nn.Parameter(first)
            for order in range(1, len(weights) + 2):
                table = tensors[f"{start}U_matrix_{order}"].float()
                # A scalar has no axis of its own.
                part.register_buffer(f"U_matrix_{order}", table if at else table[None])
            cast(nn.ModuleList, self.symmetric_contractions["contractions"]).append(part)
        self.linear = o3.Linear(hidden, hidden)

    def forward(self, messages: Tensor, kinds: Tensor) -> Tensor:
        """Return features, (n, feature), of messages (n, channel, harmonic)."""
        outputs = []
        for part in cast(Any, self.symmetric_contractions["contractions"]):
            weights, total = [part.weights_max, *part.weights], cast(Any, 0.0)
            for order, weight in zip(range(len(weights), 0, -1), weights, strict=True):
                table = getattr(part, f"U_matrix_{order}")
                total = total + torch.einsum("...k,nkc->nc...", table, weight[kinds])
                total = torch.einsum("nc...i,nci->nc...", total, messages)
            outputs.append(total.flatten(1))
        features: Tensor = self.linear(torch.cat(outputs, 1))
        return features
