"""What an engineer reads off a history: probes, and the energy that a sheet takes up."""

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
        velocity: (frame, 3), by differences of second order.
        acceleration: (frame, 3), likewise of the velocity: frames far apart smooth it.
    """

    displacement: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray


def probe(times: np.ndarray, displacement: np.ndarray, node: int) -> Probe:
    """The motion of a node, in the units of times and displacements.

    Args:
        times: (frame,), three or more.
        displacement: (frame, node, 3).
        node: its index.

    Raises:
        RecipeError: there is no such node, or fewer than three frames.
    """
    if not 0 <= node < displacement.shape[1]:
        rule = f"nodes are numbered 0 to {displacement.shape[1] - 1}"
        raise RecipeError(f"probe {node}", rule, "Choose one of them")
    if len(times) < 3:
        raise RecipeError(f"{len(times)} frames", "a probe needs three or more", "Keep more frames")
    moved = np.asarray(displacement[:, node], np.float64)
    velocity = np.gradient(moved, times, axis=0, edge_order=2)
    return Probe(moved, velocity, np.gradient(velocity, times, axis=0, edge_order=2))


def absorbed_energy(part: Part) -> np.ndarray:
    """The plastic work over time, (frame,), J: `sum_cells A t (Y e + B e^(n + 1) / (n + 1))`.

    The strain is the largest through the thickness and the flow stress that of slow deformation, so
    that it is an upper estimate where a sheet bends, and misses the rise with the rate.

    Args:
        part: with plastic strain.

    Raises:
        RecipeError: it has no plastic strain.
    """
    if part.plastic_strain is None:
        remedy = "Predict it: backbone.plastic: true"
        raise RecipeError(f"part {part.name!r}", "it has no plastic strain", remedy)
    sheet, strain = part.material, np.maximum(part.plastic_strain, 0)
    volume = Surface(part.points, part.cells).areas * part.thickness
    power = sheet.exponent + 1
    work = sheet.yield_stress * strain + sheet.hardening * strain**power / power
    return np.asarray(work @ volume)
