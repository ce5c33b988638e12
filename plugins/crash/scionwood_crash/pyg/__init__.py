"""PyTorch Geometric: parts as its `Data`, networks as backbones, our edge block as a layer."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():  # torch_geometric 2.8 calls what torch 2.13 deprecates
    warnings.filterwarnings("ignore", r".*torch\.jit\.script.* is deprecated")
    import torch_geometric.nn  # noqa: F401  # so that no module below warns

from scionwood_crash.pyg.block import EdgeBlock
from scionwood_crash.pyg.bridge import PartData, from_pyg, to_pyg
from scionwood_crash.pyg.network import PygNetwork, register_model

__all__ = ["EdgeBlock", "PartData", "PygNetwork", "from_pyg", "register_model", "to_pyg"]
