"""Parts: their series, the way to the impactor, and their strength as plasticity has it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scionwood import ReadError
from scionwood_crash.data.encode import Encoder
from scionwood_crash.model import SIZES
from scionwood_crash.model.graph import CONDITIONS
from scionwood_crash.parts.part import Part, gaps, gaps_of
from scionwood_crash.parts.series import Setup, from_series, to_series
from scionwood_crash.parts.strength import NUMBERS
from scionwood_crash.readers import open_series, write_series
from scionwood_crash.solver.model import Impactor, Material
from scionwood_crash.suite.geometry import sweep


def test_a_part_is_unchanged_by_writing_and_reading(suite, tmp_path):
    part = suite.parts("test")[0]
    write_series(tmp_path / "part.vtp", to_series(part))
    again = from_series(open_series(tmp_path / "part.vtp"))
    for name in ("points", "cells", "clamped", "times", "thickness"):
        np.testing.assert_allclose(getattr(again, name), getattr(part, name), atol=1e-6)
    np.testing.assert_allclose(again.displacement, part.displacement, atol=1e-5)
    assert again.impactor.kind == part.impactor.kind
    np.testing.assert_allclose(again.impactor.point, part.impactor.point)
    assert again.material.yield_stress == pytest.approx(part.material.yield_stress)


def test_a_mesh_without_clamped_nodes_needs_an_option(suite, tmp_path):
    part = suite.parts("test")[0]
    series = to_series(part)
    bare = replace(series, times=series.times[:1], features={}, read=_bare(series))
    with pytest.raises(ReadError, match="--clamped"):
        from_series(bare, frames=3)
    part_of_mesh = from_series(bare, Setup(clamped="ends", speed=5.0), frames=3)
    assert part_of_mesh.displacement is None
    assert (part_of_mesh.clamped == part.clamped).all()
    assert part_of_mesh.impactor.speed == 5.0


def _bare(series: Any) -> Callable[[int], Any]:
    return lambda index: replace(series.read(index), point_fields={}, cell_fields={})


@pytest.mark.parametrize("family", ["hat", "box"])
def test_gaps_are_the_travel_of_the_impactor_until_contact(part, family):
    given = part(family)
    gap, hit = gaps(given), given.impactor
    first = int(gap.argmin())
    assert gap[first] == pytest.approx(1.0, abs=0.7), "suite: 0.2 mm and half a thickness"
    there = np.asarray(hit.point) + gap[first] * np.asarray(hit.direction)
    away = given.points[first] - there
    axis = np.asarray(hit.axis)
    if hit.kind == "plane":
        assert away @ axis == pytest.approx(0, abs=1e-9)
    else:
        assert np.linalg.norm(away - (away @ axis) * axis) == pytest.approx(hit.radius)


def test_an_impactor_that_slides_within_its_surface_is_refused():
    points = np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]])
    for kind, axis in (("cylinder", (0, 0, 2.0)), ("plane", (1.0, 0, 0))):
        hit = Impactor(kind, (0, 0, 9), axis, (0, 0, -1), 7.0, 25.0, 5.0)
        with pytest.raises(ReadError, match=f"{kind} with axis .* never comes closer"):
            gaps_of(points, hit)


AREA, BEND, SHORT, FAR, FLOW, REACH, DENT, MASS = range(NUMBERS)
UNITS = {AREA: 400.0, BEND: 8000.0, SHORT: 200.0, FAR: 300.0, FLOW: 0.6}
"""The reference value of each logarithm."""


def round_tube(diameter: float = 40.0, thickness: float = 2.0) -> Part:
    """A tube of 600 mm, clamped at both ends and hit at a third of its length."""
    angle = 2 * np.pi * np.arange(32) / 32
    circle = np.c_[np.cos(angle), np.sin(angle)] * diameter / 2
    nodes, quads = sweep(
        np.array([np.c_[np.full(32, x), circle] for x in np.arange(0, 601, 15.0)]), closed=True
    )
    clamped = (nodes[:, 0] == 0) | (nodes[:, 0] == 600)
    hit = Impactor("cylinder", (200, 0, 121), (0, 1, 0), (0, 0, -1), 7.0, 25.0, 100.0)
    sheet, times = Material(yield_stress=0.5, hardening=0.0), np.linspace(0, 10, 3)
    return Part(nodes, quads, np.full(len(quads), thickness), clamped, sheet, hit, times)


def numbers(part: Part) -> np.ndarray:
    condition = Encoder(SIZES["tiny"]).encode(part).graph.condition[0].numpy()
    assert len(condition) == CONDITIONS
    return np.asarray(condition[-NUMBERS:], np.float64)


def test_area_and_plastic_modulus_of_a_round_tube():
    features = numbers(round_tube())
    values = {name: math.exp(features[name]) * unit for name, unit in UNITS.items()}
    assert values[AREA] == pytest.approx(math.pi * 40 * 2, rel=0.01)
    walls = math.pi * 40 * 2**2 / 4
    assert values[BEND] == pytest.approx(40**2 * 2 + walls, rel=0.01), (
        "D^2 t and the walls' own part"
    )
    assert values[SHORT] == pytest.approx(200, abs=3)
    assert values[FAR] == pytest.approx(400, abs=3)
    assert values[FLOW] == pytest.approx(0.5)


def test_the_travel_is_the_energy_over_the_collapse_force():
    part, features = round_tube(), numbers(round_tube())
    force = 0.5 * math.exp(features[BEND]) * 8000 * (1 / 200 + 1 / 400)
    assert math.exp(features[REACH]) * 20 == pytest.approx(25 * 7**2 / 2 / force, rel=0.02)
    faster = numbers(replace(part, impactor=replace(part.impactor, speed=14.0)))
    np.testing.assert_allclose((faster - features)[[REACH, DENT]], math.log(4), rtol=1e-5)
    np.testing.assert_allclose((faster - features)[[AREA, BEND, FLOW, MASS]], 0, atol=1e-6)
    harder = numbers(replace(part, material=Material(yield_stress=1.0, hardening=0.0)))
    np.testing.assert_allclose(
        (harder - features)[[FLOW, REACH, DENT]], np.log([2, 0.5, 0.5]), rtol=1e-5
    )


def test_features_of_a_part_clamped_at_one_end_or_nowhere():
    part = round_tube()
    one = numbers(replace(part, clamped=part.points[:, 0] == 0))
    assert math.exp(one[FAR]) * 300 == pytest.approx(600, rel=0.01), "its length"
    assert np.isfinite(numbers(replace(part, clamped=np.zeros(len(part.points), bool)))).all()
