"""Encode parts as tensors for the networks, and convert predictions back.

A part is described in its own axes (`morph.canonical_frame`) and from its own centre. A rotated or
moved model therefore gives a rotated or moved prediction.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, final

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from scionwood_crash.model.graph import CONDITIONS, CrashGraph
from scionwood_crash.model.presets import Size
from scionwood_crash.morph import Frame, Surface, canonical_frame, parametrise, place
from scionwood_crash.morph.parametrise import Fallback
from scionwood_crash.parts.part import Part, gaps, unit
from scionwood_crash.parts.strength import HEAVIEST, strength
from scionwood_crash.solver.model import Impactor, Material

LENGTH = 100.0
"""The unit of length inside the networks, mm."""
TOUCH = 5.0
"""mm; decay length of the weights of nodes that define the point of impact."""
FAR = 300.0
"""mm; larger gaps are clipped to this value."""

Coarse = Literal["morph", "fixed"]


@final
class Encoded(NamedTuple):
    """A part as tensors.

    Attributes:
        graph: input of the network.
        frame: axes of the part.
        displacement: (N, T, 3) float32, in 100 mm and in these axes; empty if it is not known.
        plastic_strain: (C, T) float32; empty if it is not known.
    """

    graph: CrashGraph
    frame: Frame
    displacement: Tensor
    plastic_strain: Tensor


@final
class Encoder:
    """Encode parts for one size of network.

    Args:
        size: size of the network, which sets the coarse grids.
        neighbours: number of coarse nodes that each node is connected to.
        coarse: `morph` moves the grids onto each part; `fixed` keeps those of a reference part
            (ablation).
        fallback: `refuse` a part without two ends, or `project` the grid onto its axes.
        references: result of `reference` for the reference part of each family.
    """

    def __init__(
        self,
        size: Size,
        *,
        neighbours: int = 4,
        coarse: Coarse = "morph",
        fallback: Fallback = "refuse",
        references: dict[str, np.ndarray] | None = None,
    ) -> None:
        self.template, self.neighbours = size.template(), neighbours
        self.coarse, self.fallback = coarse, fallback
        self.references = references or {}

    def encode(self, part: Part) -> Encoded:
        """Return a part as tensors.

        Raises:
            ReadError: the mesh is empty, not connected, or has no two ends.
        """
        surface = Surface(part.points, part.cells)
        gap = gaps(part)
        frame = canonical_frame(
            surface, _touched(part, gap), unit(np.array(part.impactor.direction))
        )
        inside = frame.inward(part.points) / LENGTH
        coarse = self._coarse(surface, frame, part.family) / LENGTH
        near, share = self._near(inside, coarse)
        graph = CrashGraph(
            _floats(_features(part, surface, frame, gap)),
            _floats(_condition(part, surface, frame, gap))[None],
            _floats(inside),
            torch.from_numpy(_both_ways(surface)),
            torch.from_numpy(near),
            _floats(share),
            _floats(coarse),
            torch.zeros(len(inside), dtype=torch.long),
            torch.from_numpy(surface.cells),
        )
        return Encoded(graph, frame, *_targets(part, frame))

    def reference(self, part: Part) -> np.ndarray:
        """Return the positions of coarse nodes on a part, in its axes, (coarse node, 3), mm."""
        surface = Surface(part.points, part.cells)
        touched = _touched(part, gaps(part))
        frame = canonical_frame(surface, touched, unit(np.array(part.impactor.direction)))
        return self._morphed(surface, frame)

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


def outward(predicted: Tensor, frame: Frame) -> np.ndarray:
    """Return predicted displacements (N, T, 3) as (T, N, 3), in mm and in the axes of the model."""
    inner = predicted.detach().double().cpu().numpy().transpose(1, 0, 2) * LENGTH
    return frame.outward(inner)


def example_graph(size: Size, conditions: int = 0) -> CrashGraph:
    """Return the graph of a small channel under a cylinder, with 54 nodes.

    Args:
        size: size of the network.
        conditions: number of further conditions.
    """
    along, around = np.arange(9) * 15.0, np.arange(6)
    y = np.array([-20.0, -20, -10, 10, 20, 20])
    z = np.array([0.0, 15, 25, 25, 15, 0])
    points = np.array([[x, y[i], z[i]] for x in along for i in around])
    at = np.arange(54).reshape(9, 6)
    cells = np.stack([at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]], -1).reshape(-1, 4)
    impactor = Impactor(
        "cylinder", (50.0, 0.0, 66.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), 7.0, 20.0, 40.0
    )
    clamped = np.isin(points[:, 0], along[[0, -1]])
    thickness = np.full(len(cells), 1.5)
    further = {f"condition {at}": 0.0 for at in range(conditions)}
    times = np.linspace(0, 10, 3)
    part = Part(points, cells, thickness, clamped, Material(), impactor, times, conditions=further)
    return Encoder(size).encode(part).graph


def _touched(part: Part, gap: np.ndarray) -> np.ndarray:
    """Return the point of impact: the weighted mean of the nodes that are reached first, (3,)."""
    weights = np.exp(-(gap - gap.min()) / TOUCH)
    return np.asarray(weights @ part.points / weights.sum())


def _features(part: Part, surface: Surface, frame: Frame, gap: np.ndarray) -> np.ndarray:
    """Return the columns of `model.graph.NODE_FEATURES`; normals as absolute values."""
    normals = surface.to_nodes(np.abs(frame.turned(surface.normals)))
    thickness = surface.to_nodes(part.thickness[:, None])
    away = frame.turned(part.points - _touched(part, gap)) / LENGTH
    reach = np.minimum(gap - gap.min(), FAR)[:, None] / LENGTH
    return np.concatenate([thickness, part.clamped[:, None], normals, away, reach], 1)


def _condition(part: Part, surface: Surface, frame: Frame, gap: np.ndarray) -> np.ndarray:
    """Return the features of the whole part, about 0 and of about unit size.

    The further conditions of the run follow as they are, in the order of their names.
    """
    impactor, sheet = part.impactor, part.material
    inside = frame.inward(part.points)
    length, height, width = np.ptp(inside, axis=0)
    mass = min(impactor.mass, HEAVIEST)
    touched = frame.inward(_touched(part, gap))
    mean = float(surface.areas @ part.thickness / surface.areas.sum())
    condition = [
        impactor.kind == "cylinder",
        math.log(max(impactor.speed, 1e-3) / 7),
        math.log(mass / 30),
        math.log(max(mass * impactor.speed**2 / 2, 1e-3) / 1000),
        math.log(sheet.yield_stress / 0.4),
        sheet.hardening,
        sheet.exponent,
        math.log(max(mean, 1e-3) / 1.5),
        impactor.radius / LENGTH,
        math.log(length / 400),
        math.log(max(height, 1.0) / 60),
        math.log(max(width, 1.0) / 100),
        *frame.turned(unit(np.array(impactor.direction, np.float64))),
        *touched / LENGTH,
        math.log(part.duration / 10),
        *strength(part, surface, frame, touched),
    ]
    if len(condition) != CONDITIONS:
        raise AssertionError(f"{len(condition)} conditions")
    further = [value for _, value in sorted(part.conditions.items())]
    return np.array([*condition, *further], np.float64)


def _both_ways(surface: Surface) -> np.ndarray:
    """Return the sides of cells in both directions, (2, edge), sorted by target."""
    pairs = surface.edges[0].T
    both = np.concatenate([pairs, pairs[::-1]], 1)
    return np.ascontiguousarray(both[:, np.lexsort((both[0], both[1]))])


def _targets(part: Part, frame: Frame) -> tuple[Tensor, Tensor]:
    moved, strain = part.displacement, part.plastic_strain
    empty = torch.zeros(0)
    return (
        empty if moved is None else _floats(frame.turned(moved).transpose(1, 0, 2) / LENGTH),
        empty if strain is None else _floats(strain.T),
    )


def _floats(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
