"""Networks on graphs, point clouds and fields."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn as nn
from catalogue import Entry


def graph(features: int = 8) -> dict[str, torch.Tensor]:
    """Make a graph of ten nodes and thirty edges, with `features` numbers at each node."""
    return {"x": torch.randn(10, features), "edge_index": torch.randint(0, 10, (2, 30))}


def _pyg(architecture: str, **options: Any) -> nn.Module:
    import torch_geometric.nn as gnn

    model: nn.Module = getattr(gnn, architecture)(8, 16, 2, 4, **options)
    return model


def _transformer_conv() -> nn.Module:
    from torch_geometric.nn import Sequential, TransformerConv

    call = "x, edge_index -> x"
    steps = [(TransformerConv(8, 8, heads=2), call), nn.ReLU(), (TransformerConv(16, 4), call)]
    model: nn.Module = Sequential("x, edge_index", steps)
    return model


def _point_net() -> nn.Module:
    from torch_geometric.nn import MLP, PointNetConv, Sequential

    call = "x, pos, edge_index -> x"
    first = PointNetConv(MLP([3, 16, 16], norm=None), MLP([16, 16], norm=None))
    steps = [(first, call), (PointNetConv(MLP([19, 16, 4], norm=None)), call)]
    model: nn.Module = Sequential("x, pos, edge_index", steps)
    return model


def _points() -> dict[str, Any]:
    edges = graph()["edge_index"]
    return {"x": None, "pos": torch.randn(10, 3), "edge_index": edges}


def _fno(*modes: int) -> nn.Module:
    from neuralop.models import FNO

    model: nn.Module = FNO(modes, in_channels=1, out_channels=1, hidden_channels=8, n_layers=2)
    return model


def field_of(*sizes: int) -> tuple[torch.Tensor]:
    """Make two scalar fields, (2, 1, *sizes)."""
    return (torch.randn(2, 1, *sizes),)


SPECTRAL = r"fno_blocks\.convs\.\d+"

ENTRIES = [
    Entry("PyG GCN", "torch-geometric", partial(_pyg, "GCN"), graph),
    Entry("PyG GAT", "torch-geometric", partial(_pyg, "GAT", heads=2), graph),
    Entry("PyG GraphSAGE", "torch-geometric", partial(_pyg, "GraphSAGE"), graph),
    Entry("PyG TransformerConv", "torch-geometric", _transformer_conv, graph),
    Entry("PyG PointNet", "torch-geometric", _point_net, _points),
    Entry("FNO 1D", "neuraloperator", partial(_fno, 8), partial(field_of, 16), SPECTRAL),
    Entry("FNO 2D", "neuraloperator", partial(_fno, 4, 4), partial(field_of, 8, 8), SPECTRAL),
    Entry("FNO 3D", "neuraloperator", partial(_fno, 4, 4, 4), partial(field_of, 8, 8, 8), SPECTRAL),
]
