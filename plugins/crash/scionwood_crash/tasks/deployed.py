"""The form in which other programs run a network: the graph of one part, as tensors."""

from __future__ import annotations

from typing import Any

from torch import nn

from scionwood.authoring import Deployed, Normalisation, Signal
from scionwood_crash.data.encode import LENGTH

AXES = {
    "features": ("node", "feature"),
    "condition": ("part", "condition"),
    "position": ("node", "space"),
    "edges": ("end", "edge"),
    "near": ("node", "neighbour"),
    "share": ("node", "neighbour"),
    "coarse": ("coarse_node", "space"),
    "batch": ("node",),
    "cells": ("cell", "corner"),
}
"""The inputs in order; see `scionwood_crash.model.graph.CrashGraph`."""

UNITS = {
    "position": "100 mm, in the axes of the part",
    "coarse": "100 mm, in the axes of the part",
    "edges": "node numbers",
    "near": "numbers of coarse nodes",
    "batch": "0, the number of the part",
    "cells": "node numbers",
}


def deployed(backbone: nn.Module) -> Deployed:
    """Return a network for export; the numbers of nodes, edges and cells are free.

    Args:
        backbone: a network of this plugin, with or without an adapter.
    """
    network: Any = backbone
    moved = Signal("displacement", ("node", "frame", "space"), "100 mm, in the axes of the part")
    strain = Signal("plastic_strain", ("cell", "frame"), "1")
    return Deployed(
        backbone,
        tuple(network.example_input()),
        inputs=tuple(Signal(name, axes, UNITS.get(name, "1")) for name, axes in AXES.items()),
        outputs=(moved, strain) if network.plastic else (moved,),
        dynamic=("node", "edge", "cell"),
        normalisation=Normalisation(
            before=("Encode one part with scionwood_crash.data.encode.Encoder, in any program.",),
            after=(
                "Multiply displacements by the length.",
                "Turn them from the axes of the part into those of the model.",
            ),
            numbers={"length_mm": LENGTH, "frames": int(network.frames)},
        ),
    )
