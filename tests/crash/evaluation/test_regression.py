"""Regressions of the maximum intrusion, the honest baselines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from case_table import table

from scionwood_crash.data.encode import Encoded
from scionwood_crash.data.suite import SuiteParts
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


def test_a_logarithmic_law_is_found_by_the_logarithmic_ridge(parts: list[Encoded]) -> None:
    errors = left_out(parts)
    assert list(errors) == list(BASELINES)
    assert errors["log-ridge"] < errors["ridge"] < errors["nearest neighbour"]
    assert errors["log-ridge"] < 15


@table("name", BASELINES)
def test_predictions_are_intrusions_in_mm(parts: list[Encoded], name: str) -> None:
    given = Regression(name).fit(parts).predict(parts)  # type: ignore[arg-type]
    true = deepest(parts)
    assert np.abs(given - true).mean() < 0.5 * true.std()
