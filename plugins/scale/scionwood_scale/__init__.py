"""Cheaper steps and large bases: prefix cache, CUDA graph, weights spread over processes."""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

plugin = Plugin(
    name="scale",
    summary="Frozen blocks computed once, steps as one CUDA graph, a base spread over processes",
    callbacks={
        "cuda_graph": "scionwood_scale.graph:CudaGraph",
        "prefix_cache": "scionwood_scale.prefix.callback:PrefixCache",
    },
    strategies={"model_parallel": "scionwood_scale.strategies.sharded:ShardedStrategy"},
    rooms=("capture", "graph", "prefix", "replay"),
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
