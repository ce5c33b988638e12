"""Contact of meshes with themselves and with rigid bodies, and ties. Units: mm, ms, kg, kN, GPa."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest

from scionwood import RecipeError
from scionwood_crash.solver.explicit import Explicit, Options
from scionwood_crash.solver.model import WELD, Impactor, Material, Shell, Ties
from scionwood_crash.solver.run import solve
from scionwood_crash.solver.ties import offsets
from scionwood_crash.suite.families import FAMILIES
from scionwood_crash.suite.geometry import nearest, sweep

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
def test_self_contact_conserves_momentum_and_keeps_sheets_apart(friction, couple):
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


def test_sliding_friction_follows_coulomb():
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


def test_a_cylinder_stops_at_the_face_of_a_sheet():
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


def sheets(**motion: np.ndarray) -> Shell:
    """Return two sheets of unlike meshes, 2 mm apart, tied at four nodes."""
    pieces = []
    for z, nx, ny in ((0.0, 3, 2), (2.0, 4, 3)):
        y = np.linspace(0, 20, ny + 1)
        rows = [
            np.c_[np.full(ny + 1, x), y, np.full(ny + 1, z)] for x in np.linspace(0, 30, nx + 1)
        ]
        pieces.append(sweep(np.array(rows), closed=False))
    (lower, first), (upper, second) = pieces
    nodes = np.concatenate([lower, upper])
    tied = len(lower) + np.array([0, 3, 16, 19])
    element, weights = nearest(nodes[tied], lower, first)
    ties = Ties(tied, first[element], weights, np.full(4, WELD))
    quads = np.concatenate([first, second + len(lower)])
    return Shell(nodes, quads, np.full(len(quads), 1.5), (ELASTIC,), ties=ties, **motion)


def test_tied_sheets_rotate_freely():
    """Without the couple of the gap, this rotation by 20 degrees would change the energy."""
    still = sheets()
    axis = np.array([1.0, 2.0, 2.0]) / 3
    spin = np.tile(0.5 * axis, (len(still.nodes), 1))
    velocity = np.cross(spin, still.nodes - still.nodes.mean(0))
    run = Explicit(sheets(velocity=velocity, spin=spin), options=Options(self_contact=False))
    start = run.energy.balance()
    momentum = (run.mass[:, None] * run.v).sum(0)
    while run.time < pi / 9 / 0.5:
        run.step()
    assert run.energy.balance() == pytest.approx(start, rel=1e-3)
    assert run.energy.contact < 0.01 * start
    np.testing.assert_allclose((run.mass[:, None] * run.v).sum(0), momentum, atol=1e-9)


def test_the_nearest_point_of_an_element():
    nodes, quads = sweep(
        np.array([[[x, 0, 0.1 * x], [x, 10, 0.1 * x]] for x in (0.0, 10, 20)]), closed=False
    )
    element, weights = nearest(np.array([[12.0, 4.0, 5.0]]), nodes, quads)
    assert element.tolist() == [1]
    at = weights @ nodes[quads[element[0]]]
    away = np.array([12.0, 4.0, 5.0]) - at[0]
    assert abs(away @ [1, 0, 0.1]) < 1e-9, "perpendicular to the element"
    assert at[0, 1] == pytest.approx(4.0)


def test_welds_hold_and_loose_pieces_slide():
    """A coarse hat on a plate, for 2 ms; the energy balance is that of the solver alone."""
    moved = {}
    for family in ("hat_plate", "hat_plate_loose"):
        made = FAMILIES[family](np.random.default_rng([5, 0]), 30.0)
        result = solve(made.shell, made.impactor, duration=2.0, n_frames=3)
        assert result.imbalance() < 0.01
        moved[family] = made.shell.nodes + result.displacement[-1]
    ties = FAMILIES["hat_plate"](np.random.default_rng([5, 0]), 30.0).shell.ties
    gaps = {}
    for family, place in moved.items():
        point = np.einsum("wc,wck->wk", ties.weights, place[ties.corners])
        gaps[family] = np.linalg.norm(place[ties.nodes] - point, axis=1)
    start = FAMILIES["hat_plate"](np.random.default_rng([5, 0]), 30.0).shell
    normal, rest = offsets(start.nodes, ties.nodes, ties.corners, ties.weights)
    assert np.abs(rest).max() < 1e-3
    assert np.abs(gaps["hat_plate"] - np.abs(normal)).max() < 0.3
    assert np.abs(gaps["hat_plate_loose"] - np.abs(normal)).max() > 0.5


def test_refuses_ties_of_a_node_with_its_own_element():
    with pytest.raises(RecipeError, match="its own element"):
        Ties(np.array([0]), np.array([[0, 1, 2, 3]]), np.full((1, 4), 0.25), np.array([WELD]))
    with pytest.raises(RecipeError, match="`weights` of ties"):
        Ties(np.array([9]), np.array([[0, 1, 2, 3]]), np.full((1, 3), 0.25), np.array([WELD]))
