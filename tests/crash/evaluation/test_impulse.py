"""Wall force, deceleration and absorbed kinetic energy of motions with a known law."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scionwood import RecipeError
from scionwood_crash import CrashSeries, ShellMesh, evaluate_series
from scionwood_crash.evaluation.compare import summary_rows
from scionwood_crash.evaluation.impulse import impulse, scalar_errors
from scionwood_crash.parts.units import Units

TIMES = np.linspace(0, 10, 41)


def test_a_constant_force_is_found():
    felt = impulse(TIMES, 8 * TIMES - 0.3 * TIMES**2, speed=8.0, mass=20.0)
    assert felt.force == pytest.approx(np.full(41, 20 * 0.6), rel=1e-6)
    assert felt.deceleration[20] == pytest.approx(0.6 / 9.80665e-3)
    velocity = 8 - 0.6 * TIMES
    assert felt.kinetic == pytest.approx(10 * (64 - velocity**2), abs=1e-6)


def test_few_states_have_no_force():
    with pytest.raises(RecipeError, match="the filter needs"):
        impulse(TIMES[:8], TIMES[:8], 1.0, 1.0)


def series(stop: float) -> CrashSeries:
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    mesh = ShellMesh.build(points, np.array([[0, 1, 2, 3]]), 1.5, units=Units("mm", "ms", "kg"))
    motion = np.zeros((41, 4, 3))
    motion[:, 2:, 2] = -(8 * TIMES - stop * TIMES**2 / 2)[:, None]
    features = {"impactor_speed": 8.0, "impactor_mass": 20.0, "impactor_direction_z": -1.0}
    features |= {"impactor_direction_x": 0.0, "impactor_direction_y": 0.0}
    return CrashSeries.from_arrays(mesh, TIMES, motion, features=features)


def test_the_report_marks_what_is_of_no_use():
    errors = evaluate_series(series(0.75), series(0.6))
    rows = {row[0]: row[1:] for row in summary_rows(series(0.6), errors)}
    assert rows["peak wall force (CFC 60), kN"] == ("12", "15", "25.0 %: above 10 %")
    bare = replace(series(0.6), features={"impactor_direction_z": -1.0})
    assert "force_true" not in evaluate_series(bare, bare)["by_time"]


def test_scalars_of_coarse_histories_are_left_out(suite):
    parts = suite.encoded("train")
    assert scalar_errors(parts, parts) == {}
