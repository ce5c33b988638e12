"""Structures with labels as a batch of tensors."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor

from scionwood_atoms.model.graph import Graph, batch


@final
class Labelled(NamedTuple):
    """A graph of b structures and n atoms with its labels."""

    graph: Graph
    energy: Tensor
    """(b,) float32, eV."""
    forces: Tensor
    """(n, 3) float32, eV/A."""
    stress: Tensor
    """(b, 3, 3) float32, eV/A^3, positive under tension; NaN where no label has it."""


def no_stress() -> Tensor:
    """Return the stress of a structure without one, (1, 3, 3)."""
    return torch.full((1, 3, 3), torch.nan)


def joined(structures: list[Labelled]) -> Labelled:
    """Return several labelled structures as one batch."""
    graphs, *labels = zip(*structures, strict=True)
    return Labelled(batch(graphs), *(torch.cat(part) for part in labels))
