"""POD with regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.evaluation.baselines import Pod


@pytest.mark.parametrize("regression", ["gp", "knn"])
def test_pod_reproduces_smooth_training_histories(suite: SuiteParts, regression: Any) -> None:
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
