"""Parts as PyG's data, alone and in batches, by PyG's loader and sampler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from scionwood import RecipeError
from scionwood_crash.backbones import MaskMorphUNet
from scionwood_crash.data.encode import Encoded, Encoder
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.model import SIZES
from scionwood_crash.model.graph import join
from scionwood_crash.parts.part import Part
from scionwood_crash.pyg import from_pyg, to_pyg

Make = Callable[..., Part]
TINY = SIZES["tiny"]
LEVELS = [len(level) for level in TINY.template().levels]


@pytest.fixture(scope="module")
def encoded(part: Make) -> list[Encoded]:
    encoder = Encoder(TINY)
    return [encoder.encode(part("tube", size=size)) for size in (30.0, 40.0)]


def test_a_batch_of_pyg_is_our_join(encoded):
    (batch,) = DataLoader([to_pyg(each) for each in encoded], batch_size=2)
    expected = join([each.graph for each in encoded], LEVELS)
    for name, ours, theirs in zip(expected._fields, expected, from_pyg(batch), strict=True):
        assert torch.equal(ours, theirs), name


def test_a_part_is_known_by_its_graph_and_edges_have_no_order(encoded, part):
    network = MaskMorphUNet(size="tiny", frames=3).eval()
    data = to_pyg(encoded[0])
    order = torch.randperm(data.edge_index.shape[1], generator=torch.Generator().manual_seed(0))
    data.edge_index = data.edge_index[:, order]
    with torch.no_grad():
        torch.testing.assert_close(network(*from_pyg(data)), network(*encoded[0].graph))
    tube = part("tube", size=40.0)
    moved = replace(tube, displacement=np.zeros((3, len(tube.points), 3)))
    data = to_pyg(Encoder(TINY).encode(moved))
    assert data.y.shape == (len(tube.points), 3, 3), "targets go with the part"
    assert "plastic_strain" not in data
    with pytest.raises(RecipeError, match="needs condition, near, share, coarse, cells"):
        from_pyg(Data(x=torch.zeros(2, 9), pos=torch.zeros(2, 3), edge_index=torch.zeros(2, 0)))


def loaded(suite: SuiteParts, max_nodes: int | None = None) -> SuiteParts:
    """Return data with the same encoded parts, by PyG's loader."""
    data = SuiteParts(loader="pyg", max_nodes=max_nodes, batch_size=suite.batch_size)
    data._encoded = {"train": suite.encoded("train"), "val": suite.encoded("val")}
    return data


def test_its_batches_are_ours(suite):
    ours, theirs = (list(data.loader("val")) for data in (suite, loaded(suite)))
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for left, right in zip(one["graph"], other["graph"], strict=True):
            assert torch.equal(left, right)
        assert torch.equal(one["displacement"], other["displacement"])


def test_a_batch_has_so_many_nodes_at_most(suite):
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
