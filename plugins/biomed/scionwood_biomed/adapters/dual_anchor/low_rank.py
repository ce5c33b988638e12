"""Low-rank updates of the attention projections inside a transformer block of any class."""

from __future__ import annotations

import math
import re
from typing import final

import torch
from torch import Tensor, nn

PROJECTIONS = re.compile(r"(.*\.)?(qkv|in_proj|query|value|q_proj|v_proj)[._]weight")
"""Weights that compute queries and values; in a fused weight the keys change too."""

SCALE = 2.0
"""Factor of an update, alpha / r."""


@final
class LowRank(nn.Module):
    """Updates `W + 2 B A` of the weights of a block that compute queries and values.

    B starts at zero.

    Args:
        block: the frozen block.
        rank: rank r of each update.

    Shapes: a weight (out, in) has A (r, in) and B (out, r).
    """

    def __init__(self, block: nn.Module, rank: int) -> None:
        super().__init__()
        weights = {n: p for n, p in block.named_parameters() if PROJECTIONS.fullmatch(n)}
        self.names = list(weights)
        self.A = nn.ParameterList(
            nn.Parameter(torch.empty(rank, p.shape[1])) for p in weights.values()
        )
        self.B = nn.ParameterList(nn.Parameter(torch.zeros(len(p), rank)) for p in weights.values())
        for a in self.A:
            nn.init.kaiming_uniform_(a, a=math.sqrt(5))

    def changes(self) -> dict[str, Tensor]:
        """Return the update of each weight by its name."""
        pairs = zip(self.names, self.A, self.B, strict=True)
        return {name: SCALE * (b @ a) for name, a, b in pairs}
