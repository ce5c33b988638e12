"""Transolver, a baseline with attention between slices of the mesh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scionwood_crash.model.blocks import Perceptron
from scionwood_crash.model.graph import CrashGraph
from scionwood_crash.model.history import History
from scionwood_crash.model.network import INPUTS, Network, seeded
from scionwood_crash.model.presets import SizeName

HEADS = 4
"""Heads of the attention."""


@final
class PhysicsAttention(nn.Module):
    """Gather nodes in slices by learned weights, and let the slices attend to each other.

    Parts of a batch do not mix; the pieces of an assembly do.

    Source: Wu et al. 2024, arXiv:2402.02366, equations 1 to 3.
    """

    def __init__(self, width: int, heads: int, slices: int) -> None:
        super().__init__()
        self.heads, self.slices = heads, slices
        self.value, self.query = nn.Linear(width, width), nn.Linear(width, heads * slices)
        self.qkv = nn.Linear(width // heads, 3 * (width // heads), bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, batch: Tensor, parts: int) -> Tensor:
        """Map (N, width) to the same shape; batch (N,) is the part or assembly of each node."""
        n, width = x.shape
        weights = self.query(x).reshape(n, self.heads, self.slices).softmax(-1)
        value = self.value(x).reshape(n, self.heads, -1)
        share = torch.einsum("nhs,nhc->nhsc", weights, value).flatten(1)
        total = x.new_zeros(parts, share.shape[1]).index_add(0, batch, share)
        mass = x.new_zeros(parts, self.heads * self.slices).index_add(0, batch, weights.flatten(1))
        token = total.reshape(parts, self.heads, self.slices, -1)
        # An empty slice has no weight; the small number keeps its mean at zero.
        token = token / (mass.reshape(parts, self.heads, self.slices, 1) + 1e-5)
        q, k, v = self.qkv(token).chunk(3, -1)
        token = F.scaled_dot_product_attention(q, k, v)
        back = torch.einsum("nhs,nhsc->nhc", weights, token[batch])
        y: Tensor = self.out(back.reshape(n, width))
        return y


@final
class TransolverBlock(nn.Module):
    """Attention between slices, then a perceptron; each is normalised before and added."""

    def __init__(self, width: int, heads: int, slices: int) -> None:
        super().__init__()
        self.attend = PhysicsAttention(width, heads, slices)
        self.norm, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = Perceptron(width, 2 * width, width, norm=False)

    def forward(self, x: Tensor, batch: Tensor, parts: int) -> Tensor:
        """Map (N, width) to the same shape."""
        x = x + self.attend(self.norm(x), batch, parts)
        y: Tensor = x + self.mlp(self.norm_mlp(x))
        return y


@final
class Transolver(Network):
    """Transolver, a baseline with attention between slices of the mesh.

    Its input are positions, not edges and links.

    Args:
        size: see `Network`; only its width is used.
        blocks: number of layers.
        slices: slices of each head.

    Shapes: as `MaskMorphUNet`.

    Units: as `MaskMorphUNet`.

    Source: Wu et al. 2024, arXiv:2402.02366, with all frames at once.
    """

    stem = "transolver"
    adapter_targets: ClassVar[Mapping[str, str]] = {
        "linear": r".*\.(value|query|qkv|out|first|last)",
        "attention": r".*\.(value|query|qkv|out)",
    }

    def __init__(
        self,
        *,
        size: SizeName = "tiny",
        blocks: int = 3,
        slices: int = 16,
        frames: int = 21,
        history: History = "one_shot",
        plastic: bool = False,
        contact: bool = True,
        conditions: Sequence[str] = (),
        links: bool = False,
        weights: str | Path = "none",
        init_seed: int = 0,
    ) -> None:
        with seeded(init_seed):
            super().__init__(size, frames, history, plastic, contact)
            width, layers = self.size.width, range(blocks)
            self.encode = Perceptron(INPUTS + 3, width, width)
            self.blocks = nn.ModuleList([TransolverBlock(width, HEADS, slices) for _ in layers])
            self.norm = nn.LayerNorm(width)
            if links:
                self.link()
        self.complete("Transolver", size, conditions, weights)

    def states(self, graph: CrashGraph) -> Tensor:
        """Return the state of every node, (N, width)."""
        x = self.encode(torch.cat([self.inputs(graph, graph.features), graph.position], 1))
        for block in self.blocks:
            x = block(x, graph.node_assembly, graph.assembly_count)
        y: Tensor = self.norm(x)
        return y
