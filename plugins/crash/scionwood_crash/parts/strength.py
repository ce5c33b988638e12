"""How strong a part is against its impact, from elementary plasticity: numbers for the networks.

A beam with the plastic moment M, held a and b away from where it is hit, collapses under the force
`M (1 / a + 1 / b)`; the impactor's energy over that force is how far it goes. What is left to learn
needs fewer simulations.
"""

from __future__ import annotations

import math

import numpy as np

from scionwood_crash.morph import Frame, Surface
from scionwood_crash.parts.part import Part, unit

NUMBERS = 8
"""How many numbers there are."""
NEAR = 0.08
"""The section is a mean around the impact with this standard deviation, of the part's length."""
STRAIN = 0.05
"""Plastic strain at which the flow stress is taken."""
HEAVIEST = 1e4
"""kg; a heavier impactor counts as this one."""
LEAST = 5.0
"""mm; nearer to the impact no node counts as held."""


def strength(part: Part, surface: Surface, frame: Frame, touched: np.ndarray) -> list[float]:
    """Logarithms, about 0 and of about unit size for the parts of the suite.

    Of the section around the impact its area, and its plastic moment over the flow stress; the
    shorter and the longer way to held nodes; the flow stress; the impactor's energy over the
    collapse force of the beam, and over that of the wall alone; its mass over that of the part.

    Args:
        part: in mm, ms, kg.
        surface: of its mesh.
        frame: its axes.
        touched: (3,), the point of impact in these axes, mm.
    """
    sheet, hit = part.material, part.impactor
    mass = min(hit.mass, HEAVIEST)
    energy = max(mass * hit.speed**2 / 2, 1e-3)
    flow = sheet.yield_stress + sheet.hardening * STRAIN**sheet.exponent
    area, bend, wall = _section(part, surface, frame, float(touched[0]))
    short, far = _ways(part, frame, float(touched[0]))
    weight = sheet.density * float(surface.areas @ part.thickness)
    return [
        math.log(area / 400),
        math.log(bend / 8000),
        math.log(short / 200),
        math.log(far / 300),
        math.log(flow / 0.6),
        math.log(energy / (flow * bend * (1 / short + 1 / far)) / 20),
        math.log(energy / (flow * wall) / 8000),
        math.log(mass / weight / 15),
    ]


def _section(part: Part, surface: Surface, frame: Frame, at: float) -> tuple[float, float, float]:
    """Area, mm2, plastic modulus along the impact, mm3, and what of it is the walls' own."""
    x = frame.inward(part.points)
    middle = x[part.cells].mean(1)
    low, high = float(x[:, 0].min()), float(x[:, 0].max())
    wide = NEAR * max(high - low, 1e-9)
    near = np.exp(-(((middle[:, 0] - at) / wide) ** 2) / 2)
    ends = [math.erf((end - at) / wide / math.sqrt(2)) for end in (low, high)]
    span = wide * math.sqrt(math.pi / 2) * max(ends[1] - ends[0], 1e-9)
    metal = near * surface.areas * part.thickness / span
    depth = middle @ frame.turned(unit(np.array(part.impactor.direction, np.float64)))
    own = float(metal @ part.thickness) / 4
    moment = float(metal @ np.abs(depth - metal @ depth / metal.sum()))
    return float(metal.sum()), moment + own, own


def _ways(part: Part, frame: Frame, at: float) -> tuple[float, float]:
    """The shorter and the longer way along the part to held nodes, mm; its length if none are."""
    x = frame.inward(part.points)[:, 0]
    away = x[part.held] - at
    length = max(float(np.ptp(x)), LEAST)
    sides = [side[side > 0] for side in (away, -away)]
    low, high = sorted(max(float(side.min()), LEAST) if len(side) else length for side in sides)
    return low, high
