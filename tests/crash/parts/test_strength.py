"""The strength features of simple sections, against elementary plasticity."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from scionwood_crash.data.encode import Encoder
from scionwood_crash.model import SIZES
from scionwood_crash.model.graph import CONDITIONS
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.strength import NUMBERS
from scionwood_crash.solver.model import Impactor, Material
from scionwood_crash.suite.geometry import sweep

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


def test_area_and_plastic_modulus_of_a_round_tube() -> None:
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


def test_the_travel_is_the_energy_over_the_collapse_force() -> None:
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


def test_features_of_a_part_clamped_at_one_end_or_nowhere() -> None:
    part = round_tube()
    one = numbers(replace(part, clamped=part.points[:, 0] == 0))
    assert math.exp(one[FAR]) * 300 == pytest.approx(600, rel=0.01), "its length"
    assert np.isfinite(numbers(replace(part, clamped=np.zeros(len(part.points), bool)))).all()
