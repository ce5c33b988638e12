"""Meshes: a graph network that knows plates of one metal learns plates of a fibre composite.

The temperature of a heated plate with a hole, which is kept cold at its left edge and loses heat to
the air through its faces: `-div(K grad T) + h T = q`, in linear finite elements on a triangulation.
Lengths in units of the plate's side, conductivity and heat without unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve
from scipy.spatial import Delaunay
from torch import Tensor, nn
from torch_geometric.nn import Linear, MessagePassing

from methods.tasks import Part, Scores, Task, pretrain

WIDTH, ROUNDS, BATCH = 48, 4, 4
LOSS_TO_AIR = 25.0  # h: heat travels about a fifth of a plate of conductivity 1
HEAT = 100.0  # unit of q, with which T is about 1


@final
@dataclass(frozen=True)
class Graph:
    """Nodes and directed edges of one plate or several.

    Args:
        nodes: (node, 5): heat, whether it is kept cold, K_xx, K_xy, K_yy.
        edges: (edge, 3): the vector along it and its length, over the mean length.
        index: (2, edge): from, to.
        target: (node,): T.
    """

    nodes: Tensor
    edges: Tensor
    index: Tensor
    target: Tensor


@final
class Round(MessagePassing):
    """One round of messages: along edges, then summed at each node; both are residual."""

    def __init__(self) -> None:
        super().__init__(aggr="add")
        self.message_mlp, self.update_mlp = mlp(3 * WIDTH), mlp(2 * WIDTH)

    def forward(self, x: Tensor, edges: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        source, target = index
        edges = edges + self.message_mlp(torch.cat([x[source], x[target], edges], 1))
        gathered = self.propagate(index, edges=edges, size=(len(x), len(x)))
        return x + self.update_mlp(torch.cat([x, gathered], 1)), edges

    def message(self, edges: Tensor) -> Tensor:
        return edges


@final
class Network(nn.Module):
    """Encode, pass messages, decode."""

    def __init__(self) -> None:
        super().__init__()
        self.of_nodes, self.of_edges = mlp(5), mlp(3)
        self.rounds = nn.ModuleList(Round() for _ in range(ROUNDS))
        self.out = Linear(WIDTH, 1)

    def forward(self, graph: Graph) -> Tensor:
        x, edges = self.of_nodes(graph.nodes), self.of_edges(graph.edges)
        for item in self.rounds:
            x, edges = item(x, edges, graph.index)
        return self.out(x)[:, 0]


def mlp(width: int) -> nn.Sequential:
    return nn.Sequential(Linear(width, WIDTH), nn.GELU(), Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH))


@final
class Plates(Task):
    """Base: isotropic plates. New: fibres at about 45 degrees that conduct ten times as well."""

    metric = "relative RMSE"
    reference = "lora/r4-torch-linear"
    head = "out."

    def __init__(self, *, quick: bool) -> None:
        generator = np.random.default_rng(0)
        sizes = dict.fromkeys(("train", "valid", "test"), 2) if quick else {}
        sizes = sizes or {"train": 300, "valid": 32, "test": 64}
        self.data = {
            what: {
                part: [plate(generator, what == "new") for _ in range(n)] for part, n in s.items()
            }
            for what, s in (("base", sizes), ("new", sizes | {"train": sizes["train"] // 4 or 1}))
        }
        torch.manual_seed(0)
        steps = 4 if quick else 2500
        self.base = pretrain(Network(), self._draw("base", 0, steps), self.loss, 4e-3, steps)

    def layers(self, model: nn.Module, layers: str = "torch_geometric") -> nn.Module:
        """`torch`: torch's own linear layers with the same weights, which give the same outputs."""
        layers_of_model = [(n, m) for n, m in model.named_modules() if isinstance(m, Linear)]
        for name, module in layers_of_model if layers == "torch" else ():
            plain = nn.Linear(module.in_channels, module.out_channels)
            plain.load_state_dict(module.state_dict())
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, plain.requires_grad_(False))
        return model

    def batches(self, seed: int, count: int) -> list[Graph]:
        return self._draw("new", seed, count)

    def loss(self, model: nn.Module, batch: Graph) -> Tensor:
        return (model(batch) - batch.target).square().mean()

    @torch.no_grad()
    def evaluate(self, model: nn.Module, what: Literal["base", "new"], part: Part) -> Scores:
        model.eval()
        graph = joined(self.data[what][part])
        mse = float(self.loss(model, graph))
        return {"loss": mse, self.metric: math.sqrt(mse / float(graph.target.square().mean()))}

    def _draw(self, what: str, seed: int, count: int) -> list[Graph]:
        plates = self.data[what]["train"]
        picks = np.random.default_rng(seed).integers(len(plates), size=(count, BATCH))
        return [joined([plates[k] for k in pick]) for pick in picks]


def joined(graphs: list[Graph]) -> Graph:
    starts = np.cumsum([0, *(len(graph.nodes) for graph in graphs)])
    index = [graph.index + int(start) for graph, start in zip(graphs, starts, strict=False)]
    parts = (torch.cat([getattr(g, n) for g in graphs]) for n in ("nodes", "edges", "target"))
    nodes, edges, target = parts
    return Graph(nodes, edges, torch.cat(index, 1), target)


def plate(generator: np.random.Generator, fibres: bool) -> Graph:
    """Mesh and solve one plate."""
    points, triangles = mesh(generator)
    conductivity = _conductivity(generator, fibres)
    heat = _heat(generator, points)
    cold = points[:, 0] < 1e-9
    temperatures = HEAT * solve(points, triangles, conductivity, heat, cold)
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    index = np.unique(np.concatenate([sides, sides[:, ::-1]]), axis=0).T
    along = points[index[1]] - points[index[0]]
    length = np.linalg.norm(along, axis=1, keepdims=True)
    material = np.tile(conductivity[[0, 0, 1], [0, 1, 1]], (len(points), 1))
    nodes = np.concatenate([heat[:, None], cold[:, None], material], 1)
    edges = np.concatenate([along, length], 1) / length.mean()
    arrays: Any = (torch.tensor(a, dtype=torch.float32) for a in (nodes, edges, temperatures))
    nodes, edges, target = arrays
    return Graph(nodes, edges, torch.tensor(index, dtype=torch.int64), target)


def mesh(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return points (node, 2) of a unit square with a round hole, and triangles (triangle, 3)."""
    line = np.linspace(0, 1, 11)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    inner = ((grid > 0) & (grid < 1)).all(1)
    grid[inner] += generator.uniform(-0.025, 0.025, grid[inner].shape)
    centre, radius = generator.uniform(0.35, 0.65, 2), generator.uniform(0.12, 0.2)
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    rim = centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    points = np.concatenate([grid[np.linalg.norm(grid - centre, axis=1) > radius + 0.03], rim])
    triangles = Delaunay(points).simplices
    middle = points[triangles].mean(1)
    return points, triangles[np.linalg.norm(middle - centre, axis=1) > radius * 0.98]


def solve(
    points: np.ndarray,
    triangles: np.ndarray,
    conductivity: np.ndarray,
    heat: np.ndarray,
    cold: np.ndarray,
) -> np.ndarray:
    """Return temperatures (node,) in linear elements; only the cold edge conducts heat away."""
    corners = points[triangles]
    sides = np.roll(corners, -1, 1) - np.roll(corners, -2, 1)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    slopes = np.stack([sides[..., 1], -sides[..., 0]], -1) / (2 * area[:, None, None])
    area = np.abs(area)
    mass = area[:, None, None] * (np.ones((3, 3)) + np.eye(3)) / 12
    stiff = area[:, None, None] * (slopes @ conductivity @ slopes.transpose(0, 2, 1))
    rows, columns = np.repeat(triangles, 3, 1).ravel(), np.tile(triangles, 3).ravel()
    shape = (len(points), len(points))

    def assembled(parts: np.ndarray) -> Any:
        return coo_matrix((parts.ravel(), (rows, columns)), shape).tocsr()

    free = ~cold
    system, load = assembled(stiff + LOSS_TO_AIR * mass), assembled(mass) @ heat
    solution = np.zeros(len(points))
    solution[free] = spsolve(system[free][:, free].tocsc(), load[free])
    return solution


def _conductivity(generator: np.random.Generator, fibres: bool) -> np.ndarray:
    if not fibres:
        return np.exp(generator.uniform(-0.7, 0.7)) * np.eye(2)
    angle = generator.uniform(0.2, 0.3) * np.pi
    along, across = np.array([np.cos(angle), np.sin(angle)]), generator.uniform(0.2, 0.4)
    return across * (np.eye(2) + 9 * np.outer(along, along))


def _heat(generator: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """Return the heat at each node from one to three warm spots."""
    spots = generator.uniform(0.1, 0.9, (generator.integers(1, 4), 2))
    widths, powers = generator.uniform(0.05, 0.12, len(spots)), generator.uniform(1, 3, len(spots))
    far = np.square(points[:, None] - spots).sum(-1)
    return (powers * np.exp(-far / (2 * widths**2))).sum(1)
