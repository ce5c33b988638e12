"""Biases of attention along one axis of tokens, in logarithmic steps of their distance (T5)."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

BUCKETS = 32
"""Rows of the table of biases."""

FARTHEST = 32
"""Distance in tokens from which on all share the last bucket."""


@final
class TokenBias(nn.Module):
    """A learned bias for each head and each distance (Raffel et al. 2020, arXiv:1910.10683).

    Args:
        heads: number of attention heads.
        causal: tokens see themselves and earlier ones only.
    """

    def __init__(self, heads: int, *, causal: bool = False) -> None:
        super().__init__()
        self.causal = causal
        self.relative_attention_bias = nn.Embedding(BUCKETS, heads)

    def forward(self, tokens: int, *, periodic: bool = False) -> Tensor:
        """Return the biases, (head, token, token); rows are queries.

        Args:
            tokens: number of tokens along the axis.
            periodic: distances go around the axis where that is shorter.
        """
        table = self.relative_attention_bias.weight
        steps = torch.arange(tokens, device=table.device)
        apart = steps[None] - steps[:, None]
        places = buckets(wrapped_distance(apart) if periodic else apart, causal=self.causal)
        bias = table[places].permute(2, 0, 1)
        return bias.masked_fill(apart > 0, -math.inf) if self.causal else bias


def wrapped_distance(apart: Tensor) -> Tensor:
    """Return distances (token, token) on a circle, as MPP counts them.

    Beyond half of the circle it takes the remainder of the division by that half, which is the
    shorter way for an even number of tokens.
    """
    half = max(apart.shape[0] // 2, 1)
    below, above = torch.remainder(apart, half), torch.remainder(apart, -half)
    return torch.where(apart < -half, below, torch.where(apart > half, above, apart))


def buckets(apart: Tensor, *, causal: bool = False) -> Tensor:
    """Return the row of the table for each signed distance of a key from its query."""
    count = BUCKETS if causal else BUCKETS // 2
    distance = (-apart).clamp(min=0) if causal else apart.abs()
    # Half of the buckets for single distances, the others for logarithmic steps up to FARTHEST.
    exact = count // 2
    ratio = distance.clamp(min=1).float() / exact
    far = exact + (ratio.log() / math.log(FARTHEST / exact) * (count - exact)).long()
    place = torch.where(distance < exact, distance, far.clamp(max=count - 1))
    return place if causal else place + count * (apart > 0)
