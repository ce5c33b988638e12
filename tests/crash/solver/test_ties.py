"""Ties between pieces: no energy from nothing, and what they hold together."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest

from scionwood import RecipeError
from scionwood_crash.solver.explicit import Explicit, Options
from scionwood_crash.solver.model import WELD, Material, Shell, Ties
from scionwood_crash.solver.run import solve
from scionwood_crash.solver.ties import offsets
from scionwood_crash.suite.families import FAMILIES
from scionwood_crash.suite.geometry import nearest, sweep

ELASTIC = Material(yield_stress=1e3)


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


def test_tied_sheets_rotate_freely() -> None:
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


def test_the_nearest_point_of_an_element() -> None:
    nodes, quads = sweep(
        np.array([[[x, 0, 0.1 * x], [x, 10, 0.1 * x]] for x in (0.0, 10, 20)]), closed=False
    )
    element, weights = nearest(np.array([[12.0, 4.0, 5.0]]), nodes, quads)
    assert element.tolist() == [1]
    at = weights @ nodes[quads[element[0]]]
    away = np.array([12.0, 4.0, 5.0]) - at[0]
    assert abs(away @ [1, 0, 0.1]) < 1e-9, "perpendicular to the element"
    assert at[0, 1] == pytest.approx(4.0)


def test_welds_hold_and_loose_pieces_slide() -> None:
    """A coarse hat on a plate, for 2 ms; the energy balance is that of the solver alone."""
    moved = {}
    for family in ("hat_plate", "hat_plate_loose"):
        made = FAMILIES[family](np.random.default_rng([5, 0]), 30.0)  # type: ignore[call-arg]
        result = solve(made.shell, made.impactor, duration=2.0, n_frames=3)
        assert result.imbalance() < 0.01
        moved[family] = made.shell.nodes + result.displacement[-1]
    ties = FAMILIES["hat_plate"](np.random.default_rng([5, 0]), 30.0).shell.ties  # type: ignore[call-arg]
    assert ties is not None
    gaps = {}
    for family, place in moved.items():
        point = np.einsum("wc,wck->wk", ties.weights, place[ties.corners])
        gaps[family] = np.linalg.norm(place[ties.nodes] - point, axis=1)
    start = FAMILIES["hat_plate"](np.random.default_rng([5, 0]), 30.0).shell  # type: ignore[call-arg]
    normal, rest = offsets(start.nodes, ties.nodes, ties.corners, ties.weights)
    assert np.abs(rest).max() < 1e-3
    assert np.abs(gaps["hat_plate"] - np.abs(normal)).max() < 0.3
    assert np.abs(gaps["hat_plate_loose"] - np.abs(normal)).max() > 0.5


def test_refuses_ties_of_a_node_with_its_own_element() -> None:
    with pytest.raises(RecipeError, match="its own element"):
        Ties(np.array([0]), np.array([[0, 1, 2, 3]]), np.full((1, 4), 0.25), np.array([WELD]))
    with pytest.raises(RecipeError, match="`weights` of ties"):
        Ties(np.array([9]), np.array([[0, 1, 2, 3]]), np.full((1, 3), 0.25), np.array([WELD]))
