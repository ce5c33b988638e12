"""A prediction does not depend on how the run was turned, mirrored or carried along."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from case_table import table

from scionwood_crash.inference import Predictor
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.series import Setup, to_series

MIRROR = np.eye(3) - 2 * np.outer((0.6, 0, 0.8), (0.6, 0, 0.8))
TURN = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])


def moved(series: CrashSeries, axes: np.ndarray, share: float) -> CrashSeries:
    """Return a run in other axes, in which the part flies with a share of the impactor's speed."""
    features = dict(series.features)
    towards = np.array([features[f"impactor_direction_{x}"] for x in "xyz"])
    velocity = -share * features["impactor_speed"] * towards
    for name in ("point", "axis", "direction"):
        vector = axes @ [features[f"impactor_{name}_{x}"] for x in "xyz"]
        features |= {f"impactor_{name}_{x}": v for x, v in zip("xyz", vector, strict=True)}
    if share:
        features["impactor_speed"] *= 1 - share
        parts = zip("xyz", axes @ velocity, strict=True)
        features |= {f"part_velocity_{x}": float(v) for x, v in parts}

    def read(index: int):
        frame = series.read(index)
        displacement = (frame.displacement + velocity * series.times[index]) @ axes.T
        return replace(frame, displacement=displacement)

    mesh = replace(series.mesh, points=series.mesh.points @ axes.T)
    return replace(series, mesh=mesh, read=read, features=features)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor("crash/transfer_lora")


@table(
    ("axes", "share"),
    [(TURN, 0.0), (MIRROR, 0.0), (np.eye(3), 0.4), (np.eye(3), 1.0), (MIRROR, 0.4)],
    ids=["turned", "mirrored", "both move", "the wall stands still", "all"],
)
def test_the_moved_copy_of_a_run_predicts_as_the_original(predictor, part, axes, share):
    made = part("bumper", seed=3, size=30.0)
    pressed = made.times[:, None, None] * np.where(made.clamped, 0.0, -1.0)[:, None]
    series = to_series(replace(made, displacement=pressed * np.array([0.0, 0.0, 1.0])))
    first = predictor.on_series(series, Setup()).displacement()
    second = predictor.on_series(moved(series, axes, share), Setup()).displacement()
    assert second @ axes == pytest.approx(first, abs=1e-5 * np.abs(first).max())
