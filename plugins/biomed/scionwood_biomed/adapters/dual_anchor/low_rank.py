"""Low-rank updates of the projections of attention inside a block, whatever class it has."""

from __future__ import annotations

import math
import re
from typing import final

import torch
from torch import Tensor, nn

PROJECTIONS = re.compile(r"(.*\.)?(qkv|in_proj|query|value|q_proj|v_proj)[._]weight")
"""Weights that make queries and values; of a fused one the keys change too."""

SCALE = 2.0
"""What an update is multiplied by, alpha / r."""


@final
class LowRank(nn.Module):
    """`W + 2 B A` for the weights of a block that make queries and values; B is zero at first.

    Args:
        block: the frozen block.
        rank: r, of each update.

    Shapes: a weight (out, in) takes A (r, in) and B (out, r).
    """

    def __init__(self, block: nn.Module, rank: int) -> None:
        super().__init__()
        found = {n: p for n, p in block.named_parameters() if PROJECTIONS.fullmatch(n)}
        self.names = list(found)
        self.A = nn.ParameterList(
            nn.Parameter(torch.empty(rank, p.shape[1])) for p in found.values()
        )
        self.B = nn.ParameterList(nn.Parameter(torch.zeros(len(p), rank)) for p in found.values())
        for a in self.A:
            nn.init.kaiming_uniform_(a, a=math.sqrt(5))

    def changes(self) -> dict[str, Tensor]:
        """By the name of a weight: what is added to it."""
        pairs = zip(self.names, self.A, self.B, strict=True)
        return {name: SCALE * (b @ a) for name, a, b in pairs}
