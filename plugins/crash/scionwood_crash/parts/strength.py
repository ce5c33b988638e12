"""Features of a part's strength against its impact, from elementary plasticity.

A beam with the plastic moment M, clamped at the distances a and b from the impact, collapses under
the force `M (1 / a + 1 / b)`. The impactor's energy divided by this force estimates its travel.
With these features the networks need fewer simulations.
"""

from __future__ import annotations

import math

import numpy as np

from scionwood_crash.morph import Frame, Surface
from scionwood_crash.parts.part import Part, unit
from scionwood_crash.solver.model import Material

NUMBERS = 8
"""Number of features."""
NEAR = 0.08
"""The section is a weighted mean around the impact; standard deviation over the part's length."""
STRAIN = 0.05
"""Plastic strain at which the flow stress is evaluated."""
HEAVIEST = 1e4
"""kg; the mass of a heavier impactor is clipped to this value."""
SMALLEST_DISTANCE = 5.0
"""mm; smallest distance between the impact and a clamped node."""
THIN = 1.0
"""mm2, mm3; smallest area and plastic modulus of a section: a piece may lie far from the impact."""


def strength(part: Part, surface: Surface, frame: Frame, touched: np.ndarray) -> list[float]:
    """Return eight logarithms, about 0 and of about unit size for the parts of the suite.

    They are, in order: the area of the section at the impact; its plastic modulus; the shorter and
    the longer distance to clamped nodes; the flow stress; the impactor's energy over the collapse
    force of the beam; the same over that of the walls alone; and the impactor's mass over the
    mass of the part.

    Args:
        part: a part, or pieces that are held together; in mm, ms, kg.
        surface: surface of its mesh.
        frame: axes of the part.
        touched: (3,), the point of impact in these axes, mm.
    """
    impactor = part.impactor
    mass = min(impactor.mass, HEAVIEST)
    # An impactor at rest has no logarithm.
    energy = max(mass * impactor.speed**2 / 2, 1e-3)
    flow, weight = _sheets(part, surface)
    area, bend, wall = _section(part, surface, frame, float(touched[0]))
    short, far = _distances(part, frame, float(touched[0]))
    return [
        # Typical values of the parts of the suite, so that each logarithm is about 0.
        math.log(area / 400),
        math.log(bend / 8000),
        math.log(short / 200),
        math.log(far / 300),
        math.log(flow / 0.6),
        math.log(energy / (flow * bend * (1 / short + 1 / far)) / 20),
        math.log(energy / (flow * wall) / 8000),
        math.log(mass / weight / 15),
    ]


def _sheets(part: Part, surface: Surface) -> tuple[float, float]:
    """Return the mean flow stress by volume, GPa, and the mass, kg."""
    volume = surface.areas * part.thickness
    if part.sheet is None:
        return _flow(part.material), part.material.density * float(surface.areas @ part.thickness)
    flows = np.array([_flow(sheet) for sheet in part.materials])[part.sheet]
    density = np.array([sheet.density for sheet in part.materials])[part.sheet]
    return float(volume @ flows / volume.sum()), float(volume @ density)


def _flow(sheet: Material) -> float:
    return float(sheet.yield_stress + sheet.hardening * STRAIN**sheet.exponent)


def _section(part: Part, surface: Surface, frame: Frame, at: float) -> tuple[float, float, float]:
    """Return area, mm2, plastic modulus along the impact, mm3, and the walls' share of it."""
    x = frame.inward(part.points)
    middle = x[part.cells].mean(1)
    low, high = float(x[:, 0].min()), float(x[:, 0].max())
    wide = NEAR * max(high - low, 1e-9)
    # Normal weights along the part, divided by their integral over its length: sums become means of
    # a section.
    near = np.exp(-(((middle[:, 0] - at) / wide) ** 2) / 2)
    ends = [math.erf((end - at) / wide / math.sqrt(2)) for end in (low, high)]
    span = wide * math.sqrt(math.pi / 2) * max(ends[1] - ends[0], 1e-9)
    metal = near * surface.areas * part.thickness / span
    depth = middle @ frame.vectors_inward(unit(np.array(part.impactor.direction, np.float64)))
    # A wall of unit width has the plastic modulus t^2 / 4; `metal` has one t already.
    wall_modulus = float(metal @ part.thickness) / 4
    area = max(float(metal.sum()), THIN)
    # The plastic modulus of the section: the integral of the distance from its middle.
    moment = float(metal @ np.abs(depth - metal @ depth / area))
    return area, max(moment + wall_modulus, THIN), max(wall_modulus, THIN)


def _distances(part: Part, frame: Frame, at: float) -> tuple[float, float]:
    """Return the shorter and the longer distance along the part to clamped nodes, mm.

    On a side without clamped nodes it is the length of the part.
    """
    x = frame.inward(part.points)[:, 0]
    offsets = x[part.clamped] - at
    length = max(float(np.ptp(x)), SMALLEST_DISTANCE)
    sides = [side[side > 0] for side in (offsets, -offsets)]
    low, high = sorted(
        max(float(side.min()), SMALLEST_DISTANCE) if len(side) else length for side in sides
    )
    return low, high
