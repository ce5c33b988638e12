"""Quantities that engineers derive from a history: probe motions and absorbed energy."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from scionwood import RecipeError
from scionwood_crash.morph.surface import Surface
from scionwood_crash.parts.part import Part


@final
class Probe(NamedTuple):
    """The motion of one node.

    Attributes:
        displacement: (frame, 3).
        velocity: (frame, 3), second-order differences.
        acceleration: (frame, 3), second-order differences of the velocity. Widely spaced frames
            smooth it.
    """

    displacement: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray


def probe(times: np.ndarray, displacement: np.ndarray, node: int) -> Probe:
    """Return the motion of a node, in the units of times and displacements.

    Args:
        times: (frame,), at least three.
        displacement: (frame, node, 3).
        node: index of the node.

    Raises:
        RecipeError: the node does not exist, or there are fewer than three frames.
    """
    if not 0 <= node < displacement.shape[1]:
        rule = f"nodes are numbered 0 to {displacement.shape[1] - 1}"
        raise RecipeError(f"probe {node}", rule, "Choose one of them")
    if len(times) < 3:
        rule = "a probe needs three or more"
        raise RecipeError(f"{len(times)} frames", rule, "Keep more frames")
    moved = np.asarray(displacement[:, node], np.float64)
    velocity = np.gradient(moved, times, axis=0, edge_order=2)
    return Probe(moved, velocity, np.gradient(velocity, times, axis=0, edge_order=2))


def absorbed_energy(part: Part) -> np.ndarray:
    """Return the plastic work over time, (frame,), J.

    It is `sum_cells A t (Y e + B e^(n + 1) / (n + 1))`, with the cell area A, the thickness t, and
    Ludwik's Y, B and n. The strain e is the largest through the thickness, so the result is too
    high in regions that bend. The flow stress is quasi-static: the strain-rate effect is neglected.

    Args:
        part: has plastic strain.

    Raises:
        RecipeError: the part has no plastic strain.
    """
    if part.plastic_strain is None:
        remedy = "Predict it: backbone.plastic: true"
        raise RecipeError(f"part {part.name!r}", "it has no plastic strain", remedy)
    sheet, strain = part.material, np.maximum(part.plastic_strain, 0)
    volume = Surface(part.points, part.cells).areas * part.thickness
    power = sheet.exponent + 1
    work = sheet.yield_stress * strain + sheet.hardening * strain**power / power
    return np.asarray(work @ volume)
