"""A part, what hits it, and what happened to it: the form that the networks are trained on.

Units: mm, ms, kg; hence kN, GPa, J, m/s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from scionwood import ReadError
from scionwood_crash.solver.model import Impactor, Material


@final
@dataclass(frozen=True)
class Part:
    """A shell part under an impact.

    Attributes:
        points: (node, 3), mm.
        cells: (cell, 4) node numbers; a triangle repeats its last node.
        thickness: (cell,), mm.
        held: (node,) bool: nodes that cannot move.
        material: of the sheet.
        impactor: what hits it.
        times: (frame,), ms, from 0.
        displacement: (frame, node, 3), mm; None where nothing is known yet.
        plastic_strain: (frame, cell); None where it is not known.
        family: what kind of part it is.
        name: of the simulation.

    Raises:
        ReadError: sizes that do not fit each other, a value that is not finite, or no node is held.
    """

    points: np.ndarray
    cells: np.ndarray
    thickness: np.ndarray
    held: np.ndarray
    material: Material
    impactor: Impactor
    times: np.ndarray
    displacement: np.ndarray | None = None
    plastic_strain: np.ndarray | None = None
    family: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        n, c, t = len(self.points), len(self.cells), len(self.times)
        wanted = {
            "points": (n, 3),
            "cells": (c, 4),
            "thickness": (c,),
            "held": (n,),
            "displacement": (t, n, 3),
            "plastic_strain": (t, c),
        }
        for name, shape in wanted.items():
            value = getattr(self, name)
            if value is None:
                continue
            if np.shape(value) != shape:
                rule = f"{shape} fits {n} nodes, {c} cells and {t} frames"
                raise ReadError(f"{self.name or 'part'}: {name} {np.shape(value)}", rule)
            if not np.isfinite(value).all():
                remedy = "Run the simulation again, or leave it out"
                raise ReadError(f"{self.name or 'part'}: {name}", "NaN or infinity in it", remedy)

    @property
    def duration(self) -> float:
        """Of the history, ms."""
        return float(self.times[-1] - self.times[0])


def gaps(part: Part) -> np.ndarray:
    """(node,): how far the impactor moves until it reaches each node, mm.

    A node that a cylinder would pass is as far as the cylinder's axis.
    """
    hit = part.impactor
    away = part.points - np.asarray(hit.point)
    direction = unit(np.asarray(hit.direction, np.float64))
    axis = unit(np.asarray(hit.axis, np.float64))
    if hit.kind == "plane":
        slope = float(direction @ axis)
        return np.asarray(away @ axis / slope if slope else away @ direction)
    flat = direction - (direction @ axis) * axis
    across = away - np.outer(away @ axis, axis)
    speed = float(np.linalg.norm(flat))
    ahead = across @ flat / speed
    beside = np.linalg.norm(across - np.outer(ahead, flat / speed), axis=1)
    return np.asarray((ahead - np.sqrt(np.maximum(hit.radius**2 - beside**2, 0))) / speed)


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector over its length."""
    return np.asarray(vector / np.linalg.norm(vector))
