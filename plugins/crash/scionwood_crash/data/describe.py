"""Describe parts by numbers: features of nodes, and the condition of a whole part or piece."""

from __future__ import annotations

import math

import numpy as np

from scionwood_crash.model.graph import CONDITIONS
from scionwood_crash.morph import Frame, Surface
from scionwood_crash.parts.part import Part, unit
from scionwood_crash.parts.strength import HEAVIEST

LENGTH = 100.0
"""The unit of length inside the networks, mm."""
TOUCH = 5.0
"""mm; decay length of the weights of nodes that define the point of impact."""
FAR = 300.0
"""mm; larger gaps are clipped to this value."""


def touched_at(part: Part, gap: np.ndarray) -> np.ndarray:
    """Return the point of impact: the weighted mean of the nodes that are reached first, (3,).

    Args:
        part: a part or an assembly, in mm.
        gap: (node,), travel of the impactor to each node; see `parts.part.gaps`.
    """
    weights = np.exp(-(gap - gap.min()) / TOUCH)
    return np.asarray(weights @ part.points / weights.sum())


def features(
    part: Part, surface: Surface, frame: Frame, gap: np.ndarray, touched: np.ndarray
) -> np.ndarray:
    """Return the columns of `model.graph.NODE_FEATURES`, (node, 9); normals as absolute values.

    Args:
        part: a part or an assembly, in mm.
        surface: surface of its mesh.
        frame: its axes.
        gap: (node,), travel of the impactor to each node, mm.
        touched: (3,), the point of impact, mm.
    """
    normals = surface.to_nodes(np.abs(frame.vectors_inward(surface.normals)))
    thickness = surface.to_nodes(part.thickness[:, None])
    offsets = frame.vectors_inward(part.points - touched) / LENGTH
    reach = np.minimum(gap - gap.min(), FAR)[:, None] / LENGTH
    return np.concatenate([thickness, part.clamped[:, None], normals, offsets, reach], 1)


def condition(
    part: Part, surface: Surface, frame: Frame, touched: np.ndarray, power: list[float]
) -> np.ndarray:
    """Return the features of a whole part, about 0 and of about unit size.

    The further conditions of the run follow as they are, in the order of their names.

    Args:
        part: a part or a piece, in mm.
        surface: surface of its mesh.
        frame: axes of the part or the assembly.
        touched: (3,), the point of impact in these axes, mm.
        power: the numbers of `parts.strength`, of the part or of what holds the piece.
    """
    impactor, sheet = part.impactor, part.material
    length, height, width = np.ptp(frame.inward(part.points), axis=0)
    mass = min(impactor.mass, HEAVIEST)
    mean = float(surface.areas @ part.thickness / surface.areas.sum())
    numbers = [
        impactor.kind != "plane",  # no part of the suite was hit by a sphere
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
        *frame.vectors_inward(unit(np.array(impactor.direction, np.float64))),
        *touched / LENGTH,
        math.log(part.duration / 10),
        *power,
    ]
    if len(numbers) != CONDITIONS:
        raise AssertionError(f"{len(numbers)} conditions")
    extra_conditions = [value for _, value in sorted(part.conditions.items())]
    return np.array([*numbers, *extra_conditions], np.float64)
