"""Encode parts as tensors for the networks, and convert predictions back.

A part is described in its own axes (`morph.canonical_frame`) and from its own centre. A rotated or
moved model therefore gives a rotated or moved prediction.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple, final

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from scionwood import ReadError
from scionwood_crash.data.describe import LENGTH as LENGTH
from scionwood_crash.data.describe import condition, features, touched_at
from scionwood_crash.model.graph import CrashGraph
from scionwood_crash.model.presets import Size
from scionwood_crash.morph import Frame, Surface, canonical_frame, parametrise, place
from scionwood_crash.morph.parametrise import Fallback
from scionwood_crash.parts import links as linking
from scionwood_crash.parts.part import Part, gaps, only_nodes, unit
from scionwood_crash.parts.strength import strength
from scionwood_crash.solver.model import Impactor, Material

Coarse = Literal["morph", "fixed", "none"]
Between = Literal["all", "none"]


@final
class Encoded(NamedTuple):
    """A part or an assembly as tensors.

    Attributes:
        graph: input of the network.
        frame: axes of the part.
        displacement: (N, T, 3) float32, in 100 mm and in these axes; empty if it is not known.
        plastic_strain: (C, T) float32; empty if it is not known.
        order: (N,) int64, the node of the part that each node of the graph is; empty if they agree.
    """

    graph: CrashGraph
    frame: Frame
    displacement: Tensor
    plastic_strain: Tensor
    order: np.ndarray = np.zeros(0, np.int64)


class _ImpactGeometry(NamedTuple):
    """A part under its impact: the surface, the axes, the gaps and the point of impact."""

    surface: Surface
    frame: Frame
    gap: np.ndarray
    touched: np.ndarray

    @property
    def inner(self) -> np.ndarray:
        """The point of impact in the axes of the part, (3,)."""
        return self.frame.inward(self.touched)


@final
class Encoder:
    """Encode parts and assemblies for one size of network.

    In an assembly each piece has a grid of its own. The axes and the point of impact are those of
    the whole. The numbers of strength are those of all pieces that welds and ties hold together.

    Args:
        size: size of the network, which sets the coarse grids.
        neighbours: number of coarse nodes that each node is connected to.
        coarse: `morph` moves the grids onto each part; `fixed` keeps those of a reference part
            (ablation); `none` makes no grids, for networks that need none, on any mesh.
        fallback: `refuse` a part without two ends, or `project` the grid onto its axes.
        references: result of `reference` for the reference part of each family.
        between: `all` links of an assembly, or `none` (ablation).
    """

    def __init__(
        self,
        size: Size,
        *,
        neighbours: int = 4,
        coarse: Coarse = "morph",
        fallback: Fallback = "refuse",
        references: dict[str, np.ndarray] | None = None,
        between: Between = "all",
    ) -> None:
        self.template, self.neighbours = size.template(), neighbours
        self.coarse, self.fallback = coarse, fallback
        self.references = references or {}
        self.between = between

    def encode(self, part: Part, *, mirrored: bool = False) -> Encoded:
        """Return a part as tensors.

        Args:
            part: a part or an assembly.
            mirrored: turn the third axis around; the mean of both predictions mirrors with a part.

        Raises:
            ReadError: the mesh is empty, a piece has no two ends, or links are wrong.
        """
        geometry = _impact_geometry(part, mirrored=mirrored)
        pieces = linking.pieces_of(len(part.points), geometry.surface.edges[0])
        if pieces.max() > 0:
            return self._assembly(part, geometry, pieces)
        power = strength(part, geometry.surface, geometry.frame, geometry.inner)
        inside = geometry.frame.inward(part.points) / LENGTH
        coarse, near, share = self._grid(geometry.surface, geometry.frame, part.family, inside)
        row = condition(part, geometry.surface, geometry.frame, geometry.inner, power)
        graph = CrashGraph(
            _floats(features(part, *geometry)),
            _floats(row[None]),
            _floats(inside),
            torch.from_numpy(_sorted(geometry.surface.edges[0].T)),
            torch.from_numpy(near),
            _floats(share),
            _floats(coarse),
            torch.zeros(len(inside), dtype=torch.long),
            torch.from_numpy(geometry.surface.cells),
        )
        return Encoded(graph, geometry.frame, *_targets(part, geometry.frame))

    def reference(self, part: Part) -> np.ndarray:
        """Return the positions of coarse nodes on a part, in its axes, (coarse node, 3), mm."""
        geometry = _impact_geometry(part)
        return self._morphed(geometry.surface, geometry.frame)

    def _assembly(self, part: Part, geometry: _ImpactGeometry, pieces: np.ndarray) -> Encoded:
        if self.coarse == "fixed":
            rule = "fixed grids are those of single parts"
            raise ReadError(part.name or "assembly", rule, "Set data.coarse: morph, or none")
        links = part.links or linking.none()
        linking.check(links, pieces, part.name or "assembly")
        # `batch` must not decrease, so that the nodes of a piece follow each other.
        order = np.argsort(pieces, kind="stable")
        number = np.argsort(order, kind="stable")
        inside = geometry.frame.inward(part.points) / LENGTH
        rows, grids = self._pieces(part, geometry, pieces, links)
        first = len(self.template.levels[0])
        coarse, near, share = (np.concatenate(arrays) for arrays in zip(*grids, strict=True))
        near += pieces[order][:, None] * first
        if self.between == "all":
            sides = geometry.surface.edges[0]
            links = linking.joined(links, linking.touching(part.points, sides, pieces))
        else:
            links = linking.none()
        pairs = number[links.nodes].T
        graph = CrashGraph(
            _floats(features(part, *geometry)[order]),
            _floats(np.stack(rows)),
            _floats(inside[order]),
            torch.from_numpy(_sorted(number[geometry.surface.edges[0]].T)),
            torch.from_numpy(near),
            _floats(share),
            _floats(coarse),
            torch.from_numpy(pieces[order]),
            torch.from_numpy(number[geometry.surface.cells]),
            torch.zeros(len(rows), dtype=torch.long),
            torch.from_numpy(np.concatenate([pairs, pairs[::-1]], 1)),
            torch.from_numpy(np.tile(links.kinds, 2)),
        )
        moved, strain = _targets(part, geometry.frame)
        moved = moved[torch.from_numpy(order)] if len(moved) else moved
        return Encoded(graph, geometry.frame, moved, strain, order)

    def _pieces(
        self, part: Part, geometry: _ImpactGeometry, pieces: np.ndarray, links: linking.Links
    ) -> tuple[list[np.ndarray], list[tuple[np.ndarray, np.ndarray, np.ndarray]]]:
        """Return the conditions and the grids of the pieces of an assembly."""
        groups = linking.groups_of(pieces, links)
        powers = []
        for group in range(int(groups.max()) + 1):
            group_part = only_nodes(part, groups[pieces] == group)
            surface = Surface(group_part.points, group_part.cells)
            powers.append(strength(group_part, surface, geometry.frame, geometry.inner))
        rows, grids = [], []
        for piece in range(len(groups)):
            piece_part = only_nodes(part, pieces == piece)
            surface = Surface(piece_part.points, piece_part.cells)
            rows.append(
                condition(
                    piece_part, surface, geometry.frame, geometry.inner, powers[groups[piece]]
                )
            )
            inside = geometry.frame.inward(piece_part.points) / LENGTH
            grids.append(self._grid(surface, geometry.frame, part.family, inside))
        return rows, grids

    def _grid(
        self, surface: Surface, frame: Frame, family: str, inside: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the coarse nodes, and the nearest ones of each node with their shares."""
        if self.coarse == "none":
            nodes = len(inside)
            return np.zeros((0, 3)), np.zeros((nodes, 0), np.int64), np.zeros((nodes, 0))
        coarse = self._coarse(surface, frame, family) / LENGTH
        return (coarse, *self._near(inside, coarse))

    def _coarse(self, surface: Surface, frame: Frame, family: str) -> np.ndarray:
        if self.coarse == "fixed" and family in self.references:
            return self.references[family]
        return self._morphed(surface, frame)

    def _morphed(self, surface: Surface, frame: Frame) -> np.ndarray:
        coordinates = parametrise(surface, frame, fallback=self.fallback)
        places = place(np.concatenate(self.template.levels), surface, coordinates)
        return places.at(frame.inward(surface.points))

    def _near(self, points: np.ndarray, coarse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest coarse nodes of each node, and their shares.

        A share falls to 0 at the distance of the next coarse node, so that it is continuous where
        two coarse nodes are equally far.
        """
        first = coarse[: len(self.template.levels[0])]
        count = min(self.neighbours, len(first) - 1)
        distance, near = cKDTree(first).query(points, count + 1)
        share = 1 - (distance[:, :-1] / np.maximum(distance[:, -1:], 1e-12)) ** 2 + 1e-6
        return near[:, :-1].astype(np.int64), share / share.sum(1, keepdims=True)


def outward(predicted: Tensor, frame: Frame, order: np.ndarray | None = None) -> np.ndarray:
    """Return predicted displacements (N, T, 3) as (T, N, 3), in mm and in the axes of the model.

    Args:
        predicted: in 100 mm, in the axes of the part.
        frame: the axes of the part.
        order: the node of the part that each node of the graph is; see `Encoded`.
    """
    inner = predicted.detach().double().cpu().numpy().transpose(1, 0, 2) * LENGTH
    if order is not None and len(order):
        inner = inner[:, np.argsort(order, kind="stable")]
    return frame.outward(inner)


def example_graph(size: Size, conditions: int = 0) -> CrashGraph:
    """Return the graph of `example_part`.

    Args:
        size: size of the network.
        conditions: number of further conditions.
    """
    extra = {f"condition {at}": 0.0 for at in range(conditions)}
    return Encoder(size).encode(replace(example_part(), conditions=extra)).graph


def example_part(offset: float = 0.0) -> Part:
    """Return a small channel under a cylinder, with 54 nodes and without history.

    Args:
        offset: how far the middle of the cylinder lies beside that of the channel, mm.
    """
    along, corners = np.arange(9) * 15.0, np.arange(6)
    y = np.array([-20.0, -20, -10, 10, 20, 20])
    z = np.array([0.0, 15, 25, 25, 15, 0])
    points = np.array([[x, y[i], z[i]] for x in along for i in corners])
    at = np.arange(54).reshape(9, 6)
    cells = np.stack([at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]], -1).reshape(-1, 4)
    impactor = Impactor(
        "cylinder", (50.0, offset, 66.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), 7.0, 20.0, 40.0
    )
    clamped = np.isin(points[:, 0], along[[0, -1]])
    thickness = np.full(len(cells), 1.5)
    return Part(points, cells, thickness, clamped, Material(), impactor, np.linspace(0, 10, 3))


def _impact_geometry(part: Part, *, mirrored: bool = False) -> _ImpactGeometry:
    """Return the surface of a part, its axes, and where it is hit."""
    surface, gap = Surface(part.points, part.cells), gaps(part)
    touched = touched_at(part, gap)
    frame = canonical_frame(surface, touched, unit(np.array(part.impactor.direction)))
    sign = np.array([[1.0], [1.0], [-1.0 if mirrored else 1.0]])
    return _ImpactGeometry(surface, frame._replace(axes=sign * frame.axes), gap, touched)


def _sorted(pairs: np.ndarray) -> np.ndarray:
    """Return sides of cells (2, side) in both directions, (2, edge), sorted by target."""
    both = np.concatenate([pairs, pairs[::-1]], 1)
    return np.ascontiguousarray(both[:, np.lexsort((both[0], both[1]))])


def _targets(part: Part, frame: Frame) -> tuple[Tensor, Tensor]:
    moved, strain = part.displacement, part.plastic_strain
    empty = torch.zeros(0)
    return (
        empty
        if moved is None
        else _floats(frame.vectors_inward(moved).transpose(1, 0, 2) / LENGTH),
        empty if strain is None else _floats(strain.T),
    )


def _floats(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
