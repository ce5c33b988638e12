"""The base class of the networks: their input and output, and clamped nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from scionwood import RecipeError
from scionwood_crash.model.blocks import vectors
from scionwood_crash.model.further import Further
from scionwood_crash.model.graph import CONDITIONS, NODE_FEATURES, CrashGraph
from scionwood_crash.model.history import Contact, History, PlasticStrain, make_history
from scionwood_crash.model.linked import Linked
from scionwood_crash.model.novelty import Novelty
from scionwood_crash.model.presets import SIZES, SizeName
from scionwood_crash.model.weights import load_pretrained

INPUTS = NODE_FEATURES + CONDITIONS


class Network(nn.Module, ABC):
    """Compute a state for every node, and decode displacement and plastic strain from it.

    A subclass builds its layers after this constructor, in one block of `seeded`, and calls `link`
    in it; it ends with `complete`.

    Args:
        size: `tiny`, `small` or `base`; the data must have the same size.
        frames: number of states, the first at rest; the data must have as many.
        history: `one_shot` predicts all frames at once, `recurrent` one after the other.
        plastic: also predict the plastic strain of cells.
        contact: nodes in the way of the impactor move at least as far as it does.
        conditions: names of further conditions of the runs; see `settings` of `crash/files`.
        links: take assemblies, whose pieces are linked by welds, ties and contact.
        weights: `none` (random), `shipped`, a safetensors file, or the folder of a run that trained
            all weights.
        init_seed: seed of random weights.
    """

    adapter_targets: ClassVar[Mapping[str, str]]
    head: tuple[str, ...] = ("decode", "novelty")
    stem: ClassVar[str]
    """The name of its shipped weights, before the size."""
    gridded: ClassVar[bool] = False
    """Whether the network needs the coarse grids."""

    def __init__(
        self,
        size: SizeName,
        frames: int,
        history: History,
        plastic: bool,
        contact: bool,
    ) -> None:
        super().__init__()
        self.size, self.frames, self.plastic, self.contact = SIZES[size], frames, plastic, contact
        self.card: dict[str, str] = {}
        width = self.size.width
        self.levels = [len(level) for level in self.size.template().levels]
        decode: dict[str, nn.Module] = {"displacement": make_history(history, width, frames)}
        if contact:
            decode["contact"] = Contact(width, frames)
        if plastic:
            decode["plastic"] = PlasticStrain(width, frames)
        self.decode = nn.ModuleDict(decode)
        self.novelty = Novelty(self.levels[0])
        self.further: Further | None = None
        self.linked: Linked | None = None

    def link(self) -> None:
        """Take assemblies, whose pieces are linked; a network of single parts refuses them."""
        self.linked = Linked(self.size.width)
        self.head = (*self.head, "linked")

    def complete(
        self, name: str, size: SizeName, conditions: Sequence[str], weights: str | Path
    ) -> None:
        """Take further conditions, load weights, and write the model card.

        Args:
            name: of the architecture, for the card.
            size: the name of the size.
            conditions: names of the further conditions; none changes nothing.
            weights: see the class.

        Raises:
            WeightsError: the weights do not exist, or belong to another model or size.
        """
        if conditions:
            self.further = Further(conditions)
            self.head = (*self.head, "further")
        text = str(weights)
        origin = {"none": "random, seeded", "shipped": "shipped, made here"}
        licence = {"none": "none (random weights)", "shipped": "Apache-2.0"}
        self.card = {
            "architecture": f"{name}, size {size}",
            "weights": origin.get(text, f"local, {Path(weights).name}"),
            "licence": licence.get(text, "not known"),
            **self.card,
        }
        load_pretrained(self, text, f"{self.stem}_{size}.safetensors")

    def example_input(self) -> tuple[Tensor, ...]:
        """Return the fields of the graph of a small part, without those of assemblies."""
        from scionwood_crash.data.encode import example_graph

        return example_graph(self.size, self.further.count if self.further else 0).alone

    @abstractmethod
    def states(self, graph: CrashGraph) -> Tensor:
        """Return the state of every node, (N, width)."""

    def forward(
        self,
        features: Tensor,
        condition: Tensor,
        position: Tensor,
        edges: Tensor,
        near: Tensor,
        share: Tensor,
        coarse: Tensor,
        batch: Tensor,
        cells: Tensor,
        assembly: Tensor | None = None,
        links: Tensor | None = None,
        kinds: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Predict the histories of the nodes of one or more parts.

        The arguments are the fields of a `CrashGraph`; the last three are those of assemblies.

        Returns:
            Displacements (N, frames, 3) in 100 mm, in the axes of each part, exactly zero at
            clamped nodes. With `plastic`, a pair: these and the plastic strain (C, frames).

        Raises:
            RecipeError: the graph was encoded for another size, or for other conditions, has no
                coarse grids and the network needs them, or is an assembly and the network was not
                made for one.
        """
        graph = CrashGraph(features, condition, position, edges, near, share, coarse, batch, cells)
        if assembly is not None and links is not None and kinds is not None and len(assembly):
            graph = graph._replace(assembly=assembly, links=links, kinds=kinds)
        self._check(graph)
        if self.further is not None:
            graph = graph._replace(condition=self.further(condition))
        x = self.states(graph)
        moved = self.decode["displacement"](x)
        if self.contact:
            moved = self.decode["contact"](moved, x, graph)
        moved = torch.where(graph.clamped[:, None, None], 0.0, moved)
        if not self.plastic:
            return moved
        return moved, self.decode["plastic"](x, cells)

    def _check(self, graph: CrashGraph) -> None:
        self._check_grids(graph)
        if len(graph.assembly) and self.linked is None:
            rule = "the network was made for single parts"
            remedy = "Predict one piece at a time (--part), or train with backbone.links: true"
            raise RecipeError(f"assembly of {len(graph.condition)} pieces", rule, remedy)

        count = graph.condition.shape[1] - CONDITIONS
        expected = 0 if self.further is None else self.further.count
        if count != expected:
            rule = f"the runs state {count} further conditions, and the backbone takes {expected}"
            remedy = "Name them in backbone.conditions, such as [gap], or leave keys out: "
            raise RecipeError("further conditions", rule, remedy + "settings: {KEY: ignore}")

    def _check_grids(self, graph: CrashGraph) -> None:
        count, expected = len(graph.coarse), len(graph.condition) * sum(self.levels)
        if count == expected or (not count and not self.gridded):
            return
        if not count:
            rule = "the network needs coarse grids"
            remedy = "Set data.coarse: morph, or take crash/meshgraphnet or crash/transolver"
            raise RecipeError("graph without coarse nodes", rule, remedy)
        rule = f"this size has {sum(self.levels)} coarse nodes per part, {expected} in total"
        remedy = "Set `size` of the data to the `size` of the backbone"
        raise RecipeError(f"graph with {count} coarse nodes", rule, remedy)

    def edges(self, graph: CrashGraph, embed: nn.Module) -> tuple[Tensor, Tensor]:
        """Return the ends of edges and links, (2, edge), and their states, (edge, width).

        Args:
            graph: parts or assemblies.
            embed: maps the vector and the length of an edge, (edge, 4), to its state.
        """
        if self.linked is None or not graph.links.shape[1]:
            return graph.edges, embed(vectors(graph.position, graph.position, graph.edges))
        ends, order = self.linked.ends(graph)
        state = embed(vectors(graph.position, graph.position, ends))
        return ends, self.linked.states(state, graph, order)

    def inputs(self, graph: CrashGraph, features: Tensor) -> Tensor:
        """Return the features of nodes joined with those of their part, (N, 36)."""
        return torch.cat([features, graph.condition[graph.batch]], 1)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw random weights from a seed, and keep the state of the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


LINEAR = r"(.*\.)?(source|target|edge|second|first|last|embed|pool_edge|unpool_edge)"
"""The linear layers of perceptrons and graph blocks."""
