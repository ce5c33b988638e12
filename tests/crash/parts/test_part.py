"""How far the impactor is from each node."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from scionwood_crash.parts.part import Part, gaps

Make = Callable[..., Part]


@pytest.mark.parametrize("family", ["hat", "box"])
def test_gaps_are_the_travel_of_the_impactor_until_contact(part: Make, family: str) -> None:
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
