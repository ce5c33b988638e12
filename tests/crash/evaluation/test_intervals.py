"""Prediction intervals: their ranks, their coverage on drawn numbers, and a calibrated run."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from scionwood import ReadError, RecipeError, fit
from scionwood.cli import main
from scionwood.recipes.recipe import resolve
from scionwood_crash.data.encode import Encoded
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.evaluation.intervals import (
    FILE,
    FOLDER,
    Intervals,
    cover,
    depth,
    errors_of,
    rank,
)
from scionwood_crash.evaluation.regression import BASELINES
from scionwood_crash.inference import Predictor
from scionwood_crash.parts.series import to_series
from scionwood_crash.readers import open_series, write_series


@pytest.fixture
def part(suite: SuiteParts) -> Encoded:
    return suite.encoded("test")[0]


def scaled(part: Encoded, factor: float) -> torch.Tensor:
    return part.displacement * factor


def test_split_intervals_cover_nine_in_ten_of_new_errors(part):
    random = np.random.default_rng(0)
    inside, tries = 0, 200
    for _ in range(tries):
        *errors, new = np.exp(random.normal(0, 0.1, 13))
        rows = [errors_of(scaled(part, each), part.displacement, part.graph) for each in errors]
        held = Intervals("split", *zip(*rows, strict=True))
        moved = scaled(part, new)
        interval = held.interval(moved, [], part.graph)
        inside += interval.low <= depth(part.displacement, part.graph) <= interval.high
    assert 0.85 < inside / tries < 0.97


def test_cv_plus_joins_the_networks_of_the_folds(part):
    fold = (0, 1, 0, 1, 0, 1, 0, 1, 0)
    held = Intervals("cv+", (0.1,) * 9, (5.0,) * 9, fold)
    main, others = part.displacement, [scaled(part, 0.9), scaled(part, 1.2)]
    interval = held.interval(main, others, part.graph)
    deep = depth(main, part.graph)
    assert interval.low == pytest.approx(deep * 0.9 * math.exp(-0.1), rel=1e-5)
    assert interval.high == pytest.approx(deep * 1.2 * math.exp(0.1), rel=1e-5)
    away = cover(others[1], main, half=True) + 5.0
    assert interval.radius == pytest.approx(away, rel=1e-5)
    assert held.folds == 2


@pytest.mark.slow
def test_a_calibrated_run_states_intervals(tmp_path, suite, capsys):
    """Nine tiny designs and two folds, from the recipe to the printed interval."""
    overrides = {"data.n_train": 9, "backbone.plastic": True}
    recipe = resolve("crash/pretrain", smoke=True)
    run = fit(recipe, run_dir=tmp_path / "run", overrides=overrides)
    assert main(["crash", "calibrate", str(run), "--folds", "2", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["method"], printed["designs"]) == ("cv+", 9)
    assert set(printed["errors"]) == {"network", *BASELINES}
    made = suite.parts("test")[0]
    write_series(tmp_path / "part.vtp", to_series(made))
    names = [str(tmp_path / name) for name in ("part.vtp", "given.vtp")]
    assert main(["crash", "predict", *names, "--run", str(run)]) == 0
    assert "90% interval: maximum intrusion" in capsys.readouterr().out
    features = open_series(tmp_path / "given.vtp").features
    assert 0 < features["intrusion_low"] < features["intrusion_high"]
    plain = Predictor(run)
    first = plain.predict(made).displacement
    np.testing.assert_array_equal(first, plain.predict(made).displacement)
    weights = run / FOLDER / "folds.safetensors"
    weights.unlink()
    with pytest.raises(ReadError, match="is not shared with a run"):
        plain.predict(made)


def test_damaged_intervals_are_refused(tmp_path):
    assert Intervals.read(tmp_path) is None
    (tmp_path / FOLDER).mkdir()
    held = Intervals("split", (0.1,) * 9, (0.2,) * 9)
    held.write(tmp_path / FOLDER)
    assert Intervals.read(tmp_path) == held
    path = tmp_path / FOLDER / FILE
    stated = json.loads(path.read_text())
    for wrong in ({"method": "guess"}, {"intrusion": [0.1]}, {"nodes": [-1.0] * 9}, {"level": 2}):
        path.write_text(json.dumps({**stated, **wrong}))
        with pytest.raises(ReadError, match=r"errors\.json"):
            Intervals.read(tmp_path)
    path.write_text("[")
    with pytest.raises(ReadError):
        Intervals.read(tmp_path)


def test_nine_designs_are_the_fewest_for_nine_in_ten():
    assert (rank(9, 0.9), rank(16, 0.9), rank(30, 0.9)) == (9, 16, 28)
    with pytest.raises(RecipeError, match="needs 9 or more"):
        Intervals("split", (0.1,) * 8, (0.1,) * 8)
