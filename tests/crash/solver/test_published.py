"""The solver beside published theory and fits of tests, at small size; units mm, ms, kg, kN, GPa.

The same comparison with finer meshes is in `benchmarks/crash_solver.py`.
"""

from __future__ import annotations

import numpy as np
import pytest

from scionwood_crash.solver.model import Impactor, Material, Shell
from scionwood_crash.solver.run import Result, solve
from scionwood_crash.suite.geometry import polyline, sweep

YIELD = 0.3
PLASTIC = Material(yield_stress=YIELD, hardening=0.0)


def bent_hat(size: float) -> Result:
    """Bend a hat of 50 x 40 x 2 mm with flanges of 20 mm over a span of 400 mm at 2 m/s."""
    counts = [max(round(x / size), 1) for x in (20, 40, 50, 40, 20)]
    corners = np.array([(-45, 0), (-25, 0), (-25, 40), (25, 40), (25, 0), (45, 0)], float)
    section = polyline(corners, counts, closed=False)
    along = np.linspace(-40, 440, round(480 / size) + 1)
    nodes, quads = sweep(
        np.array([np.c_[np.full(len(section), x), section] for x in along]), closed=False
    )
    flange = (nodes[:, 2] < 1e-6) & (np.abs(nodes[:, 1]) > 25 + 1e-6)
    held = flange & (np.isclose(nodes[:, 0], 0) | np.isclose(nodes[:, 0], 400))
    shell = Shell(nodes, quads, np.full(len(quads), 2.0), (PLASTIC,), clamped=held)
    pole = Impactor(
        "cylinder", (200, 0, 91.05), (0, 1, 0), (0, 0, -1), 2.0, np.inf, 50.0, friction=0.1
    )
    return solve(shell, pole, duration=6.0)


def test_a_hat_in_three_point_bending_carries_its_limit_load() -> None:
    """The limit load of a beam is `4 M / L` with the fully plastic moment M of the section."""
    result = bent_hat(10.0)
    area = 2.0 * np.array([40.0, 80.0, 50.0])  # flanges, walls, crown
    axis = (area.sum() / 2 - area[0]) / 4.0
    moment = YIELD * (area[0] * axis + area[2] * (40 - axis) + 2.0 * (axis**2 + (40 - axis) ** 2))
    force = float(np.convolve(result.force, np.ones(9) / 9, "same").max())
    assert force == pytest.approx(4 * moment / 400, rel=0.15)
    assert result.imbalance() < 0.03
    assert result.hourglass_share() < 0.1


@pytest.mark.slow
def test_a_round_tube_is_between_theory_and_tests() -> None:
    """Alexander (1960): `6 s t (D t)^0.5`; Guillow et al. (2001): `72.3 (D / t)^0.32 s t^2 / 4`.

    The sources are in `benchmarks/crash_solver.py`. Coarse elements are too stiff, so that the
    force may lie a quarter above the fit of the tests.
    """
    across, sheet, size = 60.0, 1.5, 4.0
    length, fold, sections = 2 * across, np.sqrt(across * sheet), []
    angle = 2 * np.pi * np.arange(48) / 48
    for z in np.linspace(0, length, round(length / size) + 1):
        radius = across / 2 + 0.5 * np.exp(-(((length - fold - z) / (fold / 2)) ** 2))
        ring = radius * np.stack([np.cos(angle), np.sin(angle)], 1)
        sections.append(np.c_[ring, np.full(48, z)])
    nodes, quads = sweep(np.array(sections), closed=True)
    thick = np.full(len(quads), sheet)
    shell = Shell(nodes, quads, thick, (PLASTIC,), clamped=nodes[:, 2] < 1e-6)
    start = length + sheet / 2 + 0.1
    wall = Impactor("plane", (0, 0, start), (0, 0, -1), (0, 0, -1), 10.0, np.inf, friction=0.1)
    result = solve(shell, wall, duration=5.0)
    late = result.travel > 5
    steps = np.diff(result.travel[late])
    force = float(np.sum(result.force[late][1:] * steps) / steps.sum())
    theory = 6 * YIELD * sheet * np.sqrt(across * sheet)
    tests = 72.3 * (across / sheet) ** 0.32 * YIELD * sheet**2 / 4
    assert theory < force < 1.25 * tests
    assert result.imbalance() < 0.03
