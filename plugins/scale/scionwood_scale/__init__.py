"""Cheaper training steps: frozen blocks computed once, and small models as one CUDA graph."""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

plugin = Plugin(
    name="scale",
    summary="Cheaper steps: frozen blocks computed once a sample, small models as one CUDA graph",
    callbacks={
        "cuda_graph": "scionwood_scale.graph:CudaGraph",
        "prefix_cache": "scionwood_scale.prefix.callback:PrefixCache",
    },
    rooms=("capture", "graph", "prefix", "replay"),
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
