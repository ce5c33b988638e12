"""Mask-Morph Graph U-Net: shared updates on the mesh, and edge-specific layers between grids.

This is a reconstruction: the abstract of arXiv:2605.15231 and a reader's notes were available, the
full text was not. Taken from them are the fixed coarse hierarchy that is morphed onto each part,
edge-specific layers between its levels, masking in supervised training, and what is frozen in a
transfer. Features, widths, levels and the edges between mesh and grid are this project's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from scionwood import RecipeError
from scionwood_crash.model.blocks import EdgeSpecific, GraphBlock, Perceptron, vectors
from scionwood_crash.model.graph import CONDITIONS, NODE_FEATURES, CrashGraph
from scionwood_crash.model.history import History
from scionwood_crash.model.network import INPUTS, LINEAR, Network, seeded
from scionwood_crash.model.presets import SizeName


@final
class Mask(nn.Module):
    """Replace the features of random nodes by a learned token, in training only."""

    def __init__(self, ratio: float, width: int) -> None:
        super().__init__()
        self.ratio = ratio
        self.token = nn.Parameter(torch.zeros(width))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width) to the same shape; in evaluation it is the identity."""
        if not self.training:
            return features
        if not self.ratio:  # several processes demand a gradient of every weight, here zero
            return features + 0 * self.token.to(features.dtype)
        hidden = torch.rand(len(features), 1, device=features.device) < self.ratio
        return torch.where(hidden, self.token.to(features.dtype), features)


@final
class Level(nn.Module):
    """Updates on one coarse level, whose edges are the same for every part."""

    ends: Tensor

    def __init__(self, ends: Tensor, nodes: int, width: int, blocks: int) -> None:
        super().__init__()
        self.register_buffer("ends", ends, persistent=False)
        self.nodes = nodes
        self.embed = nn.Linear(4, width)
        self.blocks = nn.ModuleList([GraphBlock(width) for _ in range(blocks)])

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """Map states (batch, node, width) at positions (batch, node, 3) to the same shape."""
        batch = len(x)
        ends = torch.cat([self.ends + at * self.nodes for at in range(batch)], 1)
        flat, places = x.flatten(0, 1), position.flatten(0, 1)
        edge, share = self.embed(vectors(places, places, ends)), flat.new_ones(ends.shape[1])
        for block in self.blocks:
            flat, edge = block(flat, flat, edge, ends, share)
        return flat.reshape(x.shape)


@final
class MaskMorphUNet(Network):
    """A Mask-Morph Graph U-Net: graphs on the mesh and on morphed coarse grids.

    Updates run on the mesh, on the coarse levels down and up, and on the mesh again. Weights are
    shipped for size `small` and 21 frames.

    Args:
        mask: share of nodes whose features are masked in training; the pretraining uses 0.15.

    Shapes: from the fields of a `CrashGraph` with N nodes to (N, frames, 3) float32; with `plastic`
        also (cell, frames).

    Units: lengths and displacements in 100 mm, in the axes of each part.

    Raises:
        WeightsError: the weights do not exist, or have another size.
        RecipeError: `mask` is not at least 0 and less than 1.

    Source: Mask-Morph Graph U-Net, arXiv:2605.15231; reconstruction.
    """

    stem = "mask_morph_unet"
    gridded: ClassVar[bool] = True
    adapter_targets: ClassVar[Mapping[str, str]] = {
        "linear": LINEAR,
        "frozen-edge": "encode|encode_coarse|embed|pool_edge|pool|unpool_edge|unpool"
        r"|(before|after|descent|ascent)\.\d+",
        "edge": r"(down|up)\.\d+",
    }

    def __init__(
        self,
        *,
        size: SizeName = "tiny",
        frames: int = 21,
        history: History = "one_shot",
        plastic: bool = False,
        contact: bool = True,
        mask: float = 0.0,
        conditions: Sequence[str] = (),
        links: bool = False,
        weights: str | Path = "none",
        init_seed: int = 0,
    ) -> None:
        if not 0 <= mask < 1:
            rule = "it is a share of nodes, 0 <= mask < 1"
            raise RecipeError(f"mask: {mask}", rule, "Such as 0.15")
        with seeded(init_seed):
            super().__init__(size, frames, history, plastic, contact)
            width, template = self.size.width, self.size.template()
            self.mask = Mask(mask, NODE_FEATURES)
            self.encode = Perceptron(INPUTS, width, width)
            self.encode_coarse = Perceptron(3 + CONDITIONS, width, width)
            self.embed = nn.Linear(4, width)
            self.before, self.after = (_blocks(width, self.size.fine) for _ in range(2))
            self.pool_edge, self.pool = nn.Linear(4, width), GraphBlock(width)
            self.unpool_edge, self.unpool = nn.Linear(4, width), GraphBlock(width)
            sides = list(zip(map(torch.from_numpy, template.edges), self.levels, strict=True))
            self.descent = nn.ModuleList([Level(*side, width, self.size.coarse) for side in sides])
            self.ascent = nn.ModuleList(
                [Level(*side, width, self.size.coarse) for side in sides[:-1]]
            )
            self.down = nn.ModuleList([EdgeSpecific(way.sources, width) for way in template.down])
            self.up = nn.ModuleList([EdgeSpecific(way.sources, width) for way in template.up])
            if links:
                self.link()
        name = "Mask-Morph Graph U-Net (reconstruction)"
        self.complete(name, size, conditions, weights)

    def states(self, graph: CrashGraph) -> Tensor:
        """Return the state of every node, (N, width)."""
        x: Tensor = self.encode(self.inputs(graph, self.mask(graph.features)))
        ends, edge = self.edges(graph, self.embed)
        ones = x.new_ones(edge.shape[0])
        for block in self.before:
            x, edge = block(x, x, edge, ends, ones)
        x = self._through(graph, x)
        for block in self.after:
            x, edge = block(x, x, edge, ends, ones)
        return x

    def _through(self, graph: CrashGraph, x: Tensor) -> Tensor:
        """Pass the states of nodes through the coarse levels and back."""
        batch = len(graph.condition)
        places = graph.coarse.reshape(batch, -1, 3)
        levels = list(torch.split(places, self.levels, 1))
        first = levels[0].flatten(0, 1)
        conditions = graph.condition.repeat_interleave(self.levels[0], 0)
        coarse = self.encode_coarse(torch.cat([first, conditions], 1))
        ends, share = _to_coarse(graph, len(coarse))
        edge = self.pool_edge(vectors(graph.position, first, ends))
        coarse, _ = self.pool(x, coarse, edge, ends, share)
        coarse = self._coarse(coarse.reshape(batch, self.levels[0], -1), levels).flatten(0, 1)
        ends = torch.stack([graph.near.reshape(-1), _rows(graph.near)])
        edge = self.unpool_edge(vectors(first, graph.position, ends))
        x, _ = self.unpool(coarse, x, edge, ends, graph.share.reshape(-1))
        return x

    def _coarse(self, x: Tensor, places: list[Tensor]) -> Tensor:
        skips = []
        for level, place, way in zip(self.descent, places, [*self.down, None], strict=True):
            x = level(x, place)
            skips.append(x)
            x = x if way is None else way(x)
        ways = list(zip(self.ascent, places, self.up, skips, strict=False))
        for level, place, way, skip in reversed(ways):
            x = level(skip + way(x), place)
        return x


def _blocks(width: int, count: int) -> nn.ModuleList:
    return nn.ModuleList([GraphBlock(width) for _ in range(count)])


def _rows(near: Tensor) -> Tensor:
    return torch.arange(near.shape[0], device=near.device).repeat_interleave(near.shape[1])


def _to_coarse(graph: CrashGraph, count: int) -> tuple[Tensor, Tensor]:
    """Return edges from nodes to coarse nodes, sorted by target, and shares that sum to 1."""
    order = torch.argsort(graph.near.reshape(-1), stable=True)
    ends = torch.stack([_rows(graph.near)[order], graph.near.reshape(-1)[order]])
    share = graph.share.reshape(-1)[order]
    total = share.new_zeros(count).index_add(0, ends[1], share)
    return ends, share / total.clamp_min(1e-12)[ends[1]]
