"""Gated cross-attention, in both directions, between image tokens and text tokens."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@final
class Attend(nn.Module):
    """Cross-attention from one set of tokens to another of the same width, followed by a norm.

    The norm fixes the size of the output, so that its weight depends on the gate alone.

    Args:
        width: width of the tokens.
        heads: number of attention heads; a divisor of the width.

    Shapes: query (batch, n, width) and keys (batch, m, width) to (batch, n, width).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.kv = _linear(width, width), _linear(width, 2 * width)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return what each query token gathers from the keys, (batch, n, width)."""
        q, k, v = self._split(query, keys)
        return _normed(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    def weights(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return the attention weights, (batch, n, m), averaged over heads."""
        q, k, _ = self._split(query, keys)
        return (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1).mean(1)

    def _split(self, query: Tensor, keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q = self.q(query).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.kv(keys).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return q, k, v


@final
class Fusion(nn.Module):
    """A gated fusion of image tokens, prompts and text context in a narrow bottleneck.

    First the text context attends to the image. Then the image attends to context and prompts.

    In the bottleneck, let v be the image tokens, p the visual prompts behind the block and t the
    context tokens. Then `t' = t + tanh(g_t) A_t(t <- [v; p])`, and the image tokens are increased
    by `tanh(g_v) W A_v(v <- [p; t'])`. Both gates start at zero, so that nothing is added.

    Args:
        image: width of the image tokens.
        text: width of the context tokens; `None` if there is no text context.
        width: width of the bottleneck.
        heads: number of attention heads.

    Shapes: image (batch, n, image), prompts (batch, p, image) and context (k, text) to (batch, n,
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
        """Return what is added to the image tokens, and the fused context tokens."""
        v, p = self.down(_normed(image)), self.down(_normed(prompts))
        if context is None:
            return torch.tanh(self.gate) * self.up(self.look(v, p)), None
        t = self._context(context, v.shape[0])
        t = t + torch.tanh(self.gate_text) * self.look_back(t, torch.cat([v, p], 1))
        gathered = self.look(v, torch.cat([p, t], 1))
        return torch.tanh(self.gate) * self.up(gathered), t

    @torch.no_grad()
    def attention(self, image: Tensor, prompts: Tensor, context: Tensor) -> Tensor:
        """Return the attention of each context token to each image token, (batch, k, n)."""
        v, p = self.down(_normed(image)), self.down(_normed(prompts))
        attention = self.look_back.weights(self._context(context, v.shape[0]), torch.cat([v, p], 1))
        return attention[..., : image.shape[1]]

    def _context(self, context: Tensor, batch: int) -> Tensor:
        narrow: Tensor = self.down_text(_normed(context))
        # Torch multiplies strided tokens in another order if the weights require gradients.
        return narrow.expand(batch, -1, -1).contiguous()


def _linear(inside: int, out: int) -> nn.Linear:
    return nn.Linear(inside, out, bias=False)


def _normed(tokens: Tensor) -> Tensor:
    return F.layer_norm(tokens, tokens.shape[-1:])
