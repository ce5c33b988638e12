"""A part, its impactor and its history: the form that the networks are trained on.

Units: mm, ms, kg; hence kN, GPa, J, m/s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np

from scionwood import ReadError
from scionwood_crash.parts.links import Links
from scionwood_crash.solver.model import Impactor, Material


@final
@dataclass(frozen=True)
class Part:
    """A shell part under an impact, or an assembly of several pieces.

    A piece is a set of shells that share nodes.

    Attributes:
        points: (node, 3), initial positions, mm.
        cells: (cell, 4), node numbers; a triangle repeats its last node.
        thickness: (cell,), mm.
        clamped: (node,) bool, nodes that cannot move.
        material: material of the sheet, or of the first sheet.
        impactor: the rigid body that hits the part.
        times: (frame,), ms, from 0.
        displacement: (frame, node, 3), mm; `None` if it is not known.
        plastic_strain: (frame, cell); `None` if it is not known.
        family: kind of part.
        name: name of the simulation.
        conditions: further numbers of the run by name, which a network may take.
        materials: materials of the sheets, if there are several.
        sheet: (cell,), number of the material of each cell; `None` means the first.
        links: welds and ties between the pieces; `None` means none.

    Raises:
        ReadError: the shapes do not match, or a value is not finite.
    """

    points: np.ndarray
    cells: np.ndarray
    thickness: np.ndarray
    clamped: np.ndarray
    material: Material
    impactor: Impactor
    times: np.ndarray
    displacement: np.ndarray | None = None
    plastic_strain: np.ndarray | None = None
    family: str = ""
    name: str = ""
    conditions: Mapping[str, float] = field(default_factory=dict)
    materials: tuple[Material, ...] = ()
    sheet: np.ndarray | None = None
    links: Links | None = None

    def __post_init__(self) -> None:
        n, c, t = len(self.points), len(self.cells), len(self.times)
        shapes = {
            "points": (n, 3),
            "cells": (c, 4),
            "thickness": (c,),
            "clamped": (n,),
            "displacement": (t, n, 3),
            "plastic_strain": (t, c),
            "sheet": (c,),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is None:
                continue
            if np.shape(value) != shape:
                rule = f"it must be {shape} for {n} nodes, {c} cells and {t} frames"
                raise ReadError(f"{self.name or 'part'}: {name} {np.shape(value)}", rule)
            if not np.isfinite(value).all():
                remedy = "Run the simulation again, or leave it out"
                raise ReadError(
                    f"{self.name or 'part'}: {name}", "it holds NaN or infinity", remedy
                )

    @property
    def duration(self) -> float:
        """The duration of the history, ms."""
        return float(self.times[-1] - self.times[0])


def gaps(part: Part) -> np.ndarray:
    """Return how far the impactor of a part moves until it reaches each node, (node,), mm."""
    return gaps_of(part.points, part.impactor)


def gaps_of(points: np.ndarray, impactor: Impactor) -> np.ndarray:
    """Return how far an impactor moves until it reaches each point, (point,), mm.

    For a point beside the path of a cylinder, the distance to the plane of the cylinder's axis;
    of a sphere, to the plane of its centre.

    Args:
        points: (point, 3), mm.
        impactor: the rigid body.

    Raises:
        ReadError: the plane moves within itself, or the cylinder along its axis: neither comes
            closer to any point.
    """
    offsets = points - np.asarray(impactor.point)
    direction = unit(np.asarray(impactor.direction, np.float64))
    axis = unit(np.asarray(impactor.axis, np.float64))
    slope = float(direction @ axis)
    if impactor.kind == "sphere":
        ahead = offsets @ direction
        lateral = np.linalg.norm(offsets - np.outer(ahead, direction), axis=1)
        return np.asarray(ahead - np.sqrt(np.maximum(impactor.radius**2 - lateral**2, 0)))
    flat = direction - slope * axis
    speed = float(np.linalg.norm(flat))
    if (abs(slope) if impactor.kind == "plane" else speed) < 1e-6:
        rule = "it moves within its own surface, and never comes closer to the part"
        remedy = "Turn its axis: the normal of a plane, the axis of a cylinder"
        value = f"{impactor.kind} with axis {impactor.axis} and direction {impactor.direction}"
        raise ReadError(value, rule, remedy)
    if impactor.kind == "plane":
        # The plane moves along its direction, which may be tilted against its normal.
        return np.asarray(offsets @ axis / slope)
    across = offsets - np.outer(offsets @ axis, axis)
    # Only the motion across the axis brings the cylinder closer: `speed` is that share of it.
    ahead = across @ flat / speed
    # A point beside the middle is reached later, by the depth of the circle there.
    lateral = np.linalg.norm(across - np.outer(ahead, flat / speed), axis=1)
    return np.asarray((ahead - np.sqrt(np.maximum(impactor.radius**2 - lateral**2, 0))) / speed)


def unit(vector: np.ndarray) -> np.ndarray:
    """Return the vector divided by its length."""
    return np.asarray(vector / np.linalg.norm(vector))


def only_nodes(part: Part, node_mask: np.ndarray) -> Part:
    """Return the pieces of some nodes, without history and links.

    The material is that of the sheet with the largest number of cells.

    Args:
        part: an assembly.
        node_mask: (node,) bool, all nodes of one or more pieces.
    """
    cells = node_mask[part.cells[:, 0]]
    number = np.cumsum(node_mask) - 1
    sheet = None if part.sheet is None else part.sheet[cells]
    material = part.material if sheet is None else part.materials[np.bincount(sheet).argmax()]
    return replace(
        part,
        points=part.points[node_mask],
        cells=number[part.cells[cells]],
        thickness=part.thickness[cells],
        clamped=part.clamped[node_mask],
        material=material,
        displacement=None,
        plastic_strain=None,
        sheet=sheet,
        links=None,
    )
