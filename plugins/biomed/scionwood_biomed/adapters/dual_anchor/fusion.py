"""Gated cross-attention in both directions between the tokens of an image and those of a text."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@final
class Attend(nn.Module):
    """Cross-attention of one set of tokens to another, all of one narrow width, then a norm.

    The norm makes what is found of unit size, so that a gate alone says how much of it counts.

    Args:
        width: of the tokens.
        heads: that share it.

    Shapes: query (batch, n, width) and keys (batch, m, width) to (batch, n, width).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.kv = _linear(width, width), _linear(width, 2 * width)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """What each token finds in the others."""
        q, k, v = self._split(query, keys)
        return _normed(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    def weights(self, query: Tensor, keys: Tensor) -> Tensor:
        """(batch, n, m), how much each token looks at each other, its mean over heads."""
        q, k, _ = self._split(query, keys)
        return (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1).mean(1)

    def _split(self, query: Tensor, keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q = self.q(query).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.kv(keys).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return q, k, v


@final
class Fusion(nn.Module):
    """The text context looks at the image, then the image at the text context and the prompts.

    With v the image's tokens, p the visual prompts behind the block and t the context tokens, in
    the narrow width: `t' = t + tanh(g_t) A_t(t <- [v; p])`, and what is added to the image's tokens
    is `tanh(g_v) W A_v(v <- [p; t'])`. Both gates are zero at first, so that nothing is added.

    Args:
        image: width of the image's tokens.
        text: width of the context tokens; None where there is no text.
        width: of the bottleneck.
        heads: of the attention.

    Shapes: image (batch, n, image), prompts (batch, p, image), context (k, text) to (batch, n,
        image) and (batch, k, width).
    """

    def __init__(self, image: int, text: int | None, width: int, heads: int) -> None:
        super().__init__()
        self.down = _linear(image, width)
        self.up = _linear(width, image)
        self.look = Attend(width, heads)
        self.gate = nn.Parameter(torch.zeros(image))
        if text is not None:
            self.down_text = _linear(text, width)
            self.look_back = Attend(width, heads)
            self.gate_text = nn.Parameter(torch.zeros(width))

    def forward(
        self, image: Tensor, prompts: Tensor, context: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """What is added to the image's tokens, and the fused context tokens."""
        v, p = self.down(_normed(image)), self.down(_normed(prompts))
        if context is None:
            return torch.tanh(self.gate) * self.up(self.look(v, p)), None
        t = self._context(context, len(v))
        t = t + torch.tanh(self.gate_text) * self.look_back(t, torch.cat([v, p], 1))
        found = self.look(v, torch.cat([p, t], 1))
        return torch.tanh(self.gate) * self.up(found), t

    @torch.no_grad()
    def attention(self, image: Tensor, prompts: Tensor, context: Tensor) -> Tensor:
        """(batch, k, n), how much each context token looks at each token of the image."""
        v, p = self.down(_normed(image)), self.down(_normed(prompts))
        seen = self.look_back.weights(self._context(context, len(v)), torch.cat([v, p], 1))
        return seen[..., : image.shape[1]]

    def _context(self, context: Tensor, batch: int) -> Tensor:
        narrow: Tensor = self.down_text(_normed(context))
        # Torch multiplies strided tokens in another order where weights require gradients.
        return narrow.expand(batch, -1, -1).contiguous()


def _linear(inside: int, out: int) -> nn.Linear:
    return nn.Linear(inside, out, bias=False)


def _normed(tokens: Tensor) -> Tensor:
    return F.layer_norm(tokens, tokens.shape[-1:])
