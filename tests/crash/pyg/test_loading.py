"""Batches by PyG's loader and sampler."""

from __future__ import annotations

import pytest
import torch

from scionwood import RecipeError
from scionwood_crash.data.suite import SuiteParts


def loaded(suite: SuiteParts, max_nodes: int | None = None) -> SuiteParts:
    """Return data with the same encoded parts, by PyG's loader."""
    data = SuiteParts(loader="pyg", max_nodes=max_nodes, batch_size=suite.batch_size)
    data._encoded = {"train": suite.encoded("train"), "val": suite.encoded("val")}
    return data


def test_its_batches_are_ours(suite: SuiteParts) -> None:
    ours, theirs = (list(data.loader("val")) for data in (suite, loaded(suite)))
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for left, right in zip(one["graph"], other["graph"], strict=True):
            assert torch.equal(left, right)
        assert torch.equal(one["displacement"], other["displacement"])


def test_a_batch_has_so_many_nodes_at_most(suite: SuiteParts) -> None:
    nodes = [len(part.graph.features) for part in suite.encoded("train")]
    data = loaded(suite, max_nodes=max(nodes) + 1)
    loader = data.loader("train")
    sizes = [len(batch["graph"].features) for batch in loader]
    assert len(sizes) == len(loader)
    assert sum(sizes) == sum(nodes)
    assert max(sizes) <= max(nodes) + 1
    with pytest.raises(RecipeError, match="the largest part has"):
        loaded(suite, max_nodes=5).loader("train")
    with pytest.raises(RecipeError, match=r"needs data\.loader pyg"):
        SuiteParts(max_nodes=5)
