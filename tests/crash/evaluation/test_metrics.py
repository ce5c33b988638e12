"""Error measures of predictions with a known error."""

from __future__ import annotations

import pytest
import torch

from scionwood_crash.evaluation.metrics import distances, intrusion, measure


def test_measures_a_known_error(batch: dict) -> None:
    graph, true = batch["graph"], batch["displacement"]
    parts = len(graph.condition)
    exact = measure(true, true, graph)
    assert all(not values.any() for values in exact.values())
    off = true + torch.tensor([0.0, 0.03, 0.04])
    torch.testing.assert_close(
        distances(off, true, graph.batch, parts), torch.full((parts, 3), 5.0)
    )
    direction = graph.condition[:, 12:15]
    deeper = true * 1.1
    errors = measure(deeper, true, graph)["intrusion_error"]
    torch.testing.assert_close(errors, torch.full((parts,), 10.0), rtol=1e-3, atol=1e-3)
    along = 100 * (true * direction[graph.batch][:, None]).sum(-1)
    assert float(intrusion(true, graph)[0, -1]) == pytest.approx(
        float(along[graph.batch == 0, -1].max()), rel=1e-5
    )
