"""The honest baselines: regressions of the maximum intrusion, and POD with regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from case_table import table

from scionwood_crash.data.encode import Encoded
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.evaluation.baselines import Pod
from scionwood_crash.evaluation.regression import BASELINES, Regression, deepest, left_out
from scionwood_crash.model.graph import CONDITIONS, DIRECTION


@pytest.fixture
def parts(suite: SuiteParts) -> list[Encoded]:
    """Twelve parts whose intrusion is an exponential of one strength number."""
    first = suite.encoded("train")[0]
    random = np.random.default_rng(0)
    made = []
    for _ in range(12):
        condition = first.graph.condition.clone()
        condition[0, CONDITIONS - 8 :] += torch.from_numpy(random.normal(0, 0.5, 8)).float()
        direction = condition[0, DIRECTION]
        size = float(torch.exp(condition[0, CONDITIONS - 1])) / 10
        moved = (direction * size).expand_as(first.displacement).clone()
        made.append(
            first._replace(graph=first.graph._replace(condition=condition), displacement=moved)
        )
    return made


def test_a_logarithmic_law_is_found_by_the_logarithmic_ridge(parts):
    errors = left_out(parts)
    assert list(errors) == list(BASELINES)
    assert errors["log-ridge"] < errors["ridge"] < errors["nearest neighbour"]
    assert errors["log-ridge"] < 15


@table("name", BASELINES)
def test_predictions_are_intrusions_in_mm(parts, name):
    given = Regression(name).fit(parts).predict(parts)
    true = deepest(parts)
    assert np.abs(given - true).mean() < 0.5 * true.std()


@pytest.mark.parametrize("regression", ["gp", "knn"])
def test_pod_reproduces_smooth_training_histories(suite, regression):
    hats = []
    for size, each in enumerate(suite.encoded("train")[:2], 1):
        bend = size * (1 - (each.graph.position[:, :1] / each.graph.position.max()) ** 2)
        history = bend[:, None] * torch.tensor([0.0, 0.5, 1.0])[None, :, None]
        hats.append(each._replace(displacement=history.expand(-1, -1, 3)))
    model = Pod(regression, neighbours=1).fit(hats, 42)
    for each in hats:
        wanted, given = each.displacement.numpy(), model.predict(each)
        clamped = each.graph.clamped.numpy()
        assert np.abs(given - wanted)[~clamped].mean() < 0.1 * np.abs(wanted).max()
        assert not given[clamped].any()
