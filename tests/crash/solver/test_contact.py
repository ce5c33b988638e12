"""Contact of meshes with themselves and with rigid bodies. Units: mm, ms, kg, kN, GPa."""

from __future__ import annotations

import numpy as np
import pytest

from scionwood_crash.solver.explicit import Explicit, Options
from scionwood_crash.solver.model import Impactor, Material, Shell
from scionwood_crash.solver.run import solve
from scionwood_crash.suite.geometry import sweep

ELASTIC = Material(yield_stress=1e3)


def two_plates(gap: float, velocity: tuple[float, float, float]) -> Shell:
    """Two plates, shifted by less than an element; the upper one moves."""
    x = np.linspace(0, 40, 6)
    low = np.array([np.c_[np.full(6, a), x, 0 * x] for a in x])
    high = low[1:-1, 1:-1] + np.array([1.7, 2.3, gap])
    parts = [sweep(each, closed=False) for each in (low, high)]
    nodes = np.concatenate([each[0] for each in parts])
    quads = np.concatenate([parts[0][1], parts[1][1] + len(parts[0][0])])
    first = np.zeros_like(nodes)
    first[len(parts[0][0]) :] = velocity
    return Shell(nodes, quads, np.full(len(quads), 2.0), (ELASTIC,), velocity=first)


@pytest.mark.parametrize(("friction", "couple"), [(0.0, 2e-3), (0.3, 0.02)])
def test_self_contact_conserves_momentum_and_keeps_sheets_apart(
    friction: float, couple: float
) -> None:
    run = Explicit(two_plates(2.5, (1.0, 0.5, -5.0)), options=Options(friction=friction))

    def momentum() -> np.ndarray:
        linear = (run.mass[:, None] * run.v).sum(0)
        turning = (run.mass[:, None] * np.cross(run.x, run.v)).sum(0)
        return np.concatenate([linear, turning + (run.inertia[:, None] * run.w).sum(0)])

    before, balance = momentum(), run.energy.balance()
    touched = 0.0
    while run.time < 0.5:
        run.step()
        touched = max(touched, run.energy.contact)
        assert run.x[36:, 2].mean() - run.x[:36, 2].mean() > 1.5
    assert touched > 0.03  # J, of 0.12
    assert run.v[:36, 2].mean() < -0.5  # the lower plate was pushed
    np.testing.assert_allclose(momentum()[:3], before[:3], atol=1e-12)
    # Friction acts at mid-surfaces, a thickness apart, which leaves a small couple.
    np.testing.assert_allclose(momentum()[3:], before[3:], atol=couple * np.abs(before[3:]).max())
    assert run.energy.balance() == pytest.approx(balance, rel=0.03)


def test_without_self_contact_the_sheets_pass_through_each_other() -> None:
    run = Explicit(two_plates(2.5, (0.0, 0.0, -5.0)), options=Options(self_contact=False))
    while run.time < 1.0:
        run.step()
    assert run.x[36:, 2].max() < run.x[:36, 2].min()


def test_sliding_friction_follows_coulomb() -> None:
    x = np.linspace(0, 20, 3)
    nodes, quads = sweep(np.array([np.c_[np.full(3, a), x, 0 * x] for a in x]), closed=False)
    velocity = np.tile([3.0, 4.0, -1.0], (9, 1))
    shell = Shell(nodes, quads, np.full(4, 2.0), (ELASTIC,), velocity=velocity)
    floor = Impactor("plane", (0, 0, -1.05), (0, 0, 1), (0, 0, 1), 0.0, np.inf, friction=0.2)
    run = Explicit(shell, floor)
    start = (run.mass[:, None] * run.v).sum(0)
    while run.time < 0.3:
        run.step()
    push = (run.mass[:, None] * run.v).sum(0) - start
    assert push[2] > 0
    np.testing.assert_allclose(push[:2], -0.2 * push[2] * np.array([0.6, 0.8]), rtol=0.02)
    assert run.energy.friction > 0


def test_friction_stops_slow_slip() -> None:
    """A plate comes to rest on a rough floor, and keeps sliding on a smooth one."""
    x = np.linspace(0, 20, 3)
    nodes, quads = sweep(np.array([np.c_[np.full(3, a), x, 0 * x] for a in x]), closed=False)
    velocity = np.tile([0.05, 0.0, -1.0], (9, 1))
    shell = Shell(nodes, quads, np.full(4, 2.0), (ELASTIC,), velocity=velocity)

    def slip(friction: float) -> float:
        floor = Impactor("plane", (0, 0, -1.05), (0, 0, 1), (0, 0, 1), 0.0, np.inf, 0.0, friction)
        run = Explicit(shell, floor)
        while run.time < 0.3:
            run.step()
        return float(run.v[:, 0].mean())

    assert slip(0.0) == pytest.approx(0.05, rel=1e-6)
    assert abs(slip(0.5)) < 0.01


def test_a_cylinder_stops_at_the_face_of_a_sheet() -> None:
    """It dents a clamped sheet and rebounds; energy is conserved."""
    x = np.linspace(-30, 30, 13)
    nodes, quads = sweep(np.array([np.c_[np.full(13, a), x, 0 * x] for a in x]), closed=False)
    edge = (np.abs(nodes[:, :2]) > 29.9).any(1)
    shell = Shell(nodes, quads, np.full(len(quads), 1.5), clamped=edge)
    pole = Impactor("cylinder", (0, 0, 21), (0, 1, 0), (0, 0, -1), 5.0, 2.0, 20.0, 0.1)
    result = solve(shell, pole, duration=3.0, n_frames=7)
    assert result.speed[-1] < 0
    axis = 21 - result.travel[::10][:, None]
    position = nodes + result.displacement
    distance = np.hypot(position[..., 0], position[..., 2] - axis)
    assert distance.min() > 20 + 0.75 - 0.3  # half a thickness, less the springs' give
    assert result.imbalance() < 0.03
    assert result.energy[0, 2] == pytest.approx(25.0)
