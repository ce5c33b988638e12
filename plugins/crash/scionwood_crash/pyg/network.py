"""Any network of PyTorch Geometric as a backbone of this plugin."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch
import torch_geometric.nn as gnn
from torch import Tensor, nn

from scionwood import RecipeError
from scionwood_crash.data.encode import example_graph
from scionwood_crash.model.blocks import vectors
from scionwood_crash.model.graph import CrashGraph
from scionwood_crash.model.history import History
from scionwood_crash.model.network import INPUTS, Network, seeded
from scionwood_crash.model.presets import SIZES, SizeName

EDGE = 4
"""Numbers of an edge: its vector and its length, in 100 mm."""

Make = Callable[..., nn.Module]
_registered: dict[str, Make] = {}


def register_model(name: str, make: Make) -> None:
    """Let recipes of this process name a graph network of yours.

    A run that was trained with it is loaded only where the same name is registered.

    Args:
        name: for `model` of the backbone `crash/pyg`.
        make: a class or function; its result takes `x` (N, in), `edge_index` (2, E) and, if it
            names them, `edge_attr` (E, 4) and `batch` (N,), and returns (N, k). The arguments
            `in_channels`, `hidden_channels`, `out_channels`, `num_layers` and `edge_dim` are
            filled if `make` has them and the recipe does not give them.

    Raises:
        RecipeError: PyG has a model of that name.

    Example:
        >>> from scionwood_crash.pyg import EdgeBlock
        >>> class TwoBlocks(torch.nn.Module):
        ...     def __init__(self, in_channels, hidden_channels):
        ...         super().__init__()
        ...         self.embed = torch.nn.Linear(in_channels, hidden_channels)
        ...         self.edges = torch.nn.Linear(4, hidden_channels)
        ...         self.first, self.second = EdgeBlock(hidden_channels), EdgeBlock(hidden_channels)
        ...     def forward(self, x, edge_index, edge_attr):
        ...         x, edges = self.first(self.embed(x), edge_index, self.edges(edge_attr))
        ...         return self.second(x, edge_index, edges)[0]
        >>> register_model("two_blocks", TwoBlocks)
        >>> from scionwood_crash.pyg import PygNetwork
        >>> PygNetwork(model="two_blocks", frames=3).card["architecture"]
        'two_blocks, size tiny'
    """
    if name in gnn.models.__all__:
        raise RecipeError(f"model {name!r}", "PyG has a model of that name", "Choose another")
    _registered[name] = make


@final
class PygNetwork(Network):
    """A network of PyTorch Geometric on the mesh, or a graph network of yours.

    The decoder and the contact of this plugin follow it.

    Args:
        model: a model of `torch_geometric.nn.models` such as GraphSAGE, GAT, PNA or GraphUNet, or a
            name given to `scionwood_crash.pyg.register_model`.
        options: its arguments. Channels, layers and the width of edges have defaults by `size`.
        size: see `Network`; only its width is used.

    Shapes: as `MaskMorphUNet`; it does not use coarse nodes.

    Units: as `MaskMorphUNet`.

    Source: PyTorch Geometric, Fey and Lenssen 2019, arXiv:1903.02428.

    Raises:
        RecipeError: there is no such model, it refuses the options, or it does not take `x` and
            `edge_index` and return a state for each node.
        WeightsError: see `MaskMorphUNet`.
    """

    stem = "pyg"
    head = (*Network.head, "out")

    def __init__(
        self,
        *,
        model: str = "GAT",
        options: dict[str, Any] | None = None,
        size: SizeName = "tiny",
        frames: int = 21,
        history: History = "one_shot",
        plastic: bool = False,
        contact: bool = True,
        conditions: Sequence[str] = (),
        weights: str | Path = "none",
        init_seed: int = 0,
    ) -> None:
        with seeded(init_seed):
            inner = make_model(model, SIZES[size].width, options or {})
            super().__init__(size, frames, history, plastic, contact)
            self.model = inner
            self.takes = _forward_arguments(inner)
            self.out = nn.Linear(self._width(example_graph(self.size)), self.size.width)
        self.adapter_targets = {"linear": _linear(inner)}  # type: ignore[misc]  # by model
        self.card["edges"] = f"vectors are {'' if reads_edges(inner) else 'not '}read"
        self.complete(model, size, conditions, weights)

    def states(self, graph: CrashGraph) -> Tensor:
        """Return the state of every node, (N, width)."""
        state: Tensor = self.out(self._states(graph))
        return state

    def _states(self, graph: CrashGraph) -> Tensor:
        more = {
            "edge_attr": vectors(graph.position, graph.position, graph.edges),
            "batch": graph.batch,
        }
        x = self.inputs(graph, graph.features)
        arguments = {name: more[name] for name in self.takes}
        state: Tensor = self.model(x, graph.edges, **arguments)
        return state

    def _width(self, example: CrashGraph) -> int:
        training = self.model.training
        with torch.no_grad():
            state = self.model.eval() and self._states(example)
        self.model.train(training)
        shape = tuple(state.shape) if isinstance(state, Tensor) else type(state).__name__
        if not isinstance(state, Tensor) or state.dim() != 2 or len(state) != len(example.batch):
            rule = f"it must return a state for each of {len(example.batch)} nodes, not {shape}"
            raise RecipeError(type(self.model).__name__, rule, "Return a tensor (N, k)")
        return int(state.shape[1])

    def _check_grids(self, graph: CrashGraph) -> None:
        """Accept graphs of every size: this network does not use coarse nodes."""


def make_model(name: str, width: int, options: Mapping[str, Any]) -> nn.Module:
    """Build a model of PyG, or a registered one.

    Raises:
        RecipeError: there is no such model, or it has no such option.
    """
    make: Make | None = _registered.get(name)
    if make is None and name in gnn.models.__all__:
        make = getattr(gnn, name)
    if make is None:
        model_names = ", ".join(["GraphSAGE", "GIN", "GAT", "PNA", "GraphUNet", *_registered])
        remedy = "Call scionwood_crash.pyg.register_model for a class of yours"
        raise RecipeError(
            f"model {name!r}", f"it is neither of PyG's, such as {model_names}", remedy
        )
    takes = inspect.signature(make).parameters
    filled = {
        "in_channels": INPUTS,
        "hidden_channels": width,
        "out_channels": width,
        "num_layers": 4,
        "depth": 3,
    }
    if getattr(make, "supports_edge_attr", "edge_dim" in takes):
        filled["edge_dim"] = EDGE
    free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
    unknown = [option for option in options if option not in takes and not free]
    if unknown:
        rule = f"{name} has no option {', '.join(unknown)}; it has {', '.join(takes)}"
        raise RecipeError("options", rule, "Correct the names")
    arguments = {key: value for key, value in filled.items() if key in takes or key == "edge_dim"}
    try:
        return make(**arguments | dict(options))
    except (TypeError, ValueError, AssertionError) as error:
        raise RecipeError(
            f"model {name}", f"it refuses these options: {error}", "Correct them"
        ) from error


def reads_edges(model: nn.Module) -> bool:
    """Return whether a model reads the vectors of edges; GraphSAGE, GIN and GCN do not."""
    return "edge_attr" in _forward_arguments(model)


def _forward_arguments(model: nn.Module) -> list[str]:
    takes = inspect.signature(model.forward).parameters
    if not {"x", "edge_index"} <= takes.keys():
        rule = "its forward must take x and edge_index"
        raise RecipeError(type(model).__name__, rule, "Wrap it in a module that does")
    reads = getattr(model, "supports_edge_attr", True)  # PyG's models ignore edges in silence
    return [name for name in ("edge_attr", "batch") if name in takes and (reads or name == "batch")]


def _linear(model: nn.Module) -> str:
    """Return a regular expression of the names of all linear layers of the model."""
    kinds = (nn.Linear, gnn.Linear)
    names = [name for name, module in model.named_modules() if type(module) in kinds]
    return rf"(.*\.)?model\.({'|'.join(re.escape(name) for name in names)})"
