"""Sample texts from a masked diffusion model: by ancestral steps, by confidence, or in blocks."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from scionwood import RecipeError
from scionwood_language.diffusion.masking import UNMASKED_SHARE, Schedule

Order = Literal["ancestral", "confidence"]


@torch.no_grad()
def sample(
    model: Any,
    prompt: Tensor,
    *,
    new: int,
    steps: int,
    mask_id: int,
    order: Order = "ancestral",
    block: int | None = None,
    temperature: float = 1.0,
    schedule: Schedule = "linear",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Fill masked positions after a prompt.

    Args:
        model: a model of `language/encoder`: tokens (batch, token) to `.logits`.
        prompt: (batch, token) int64, which stays; its width may be 0.
        new: the number of positions to fill.
        steps: the number of calls of the model for each block.
        mask_id: the mask token, which is never drawn.
        order: ancestral reveals each masked position with the probability of the schedule;
            confidence reveals the most probable ones first.
        block: fill blocks of this many positions from left to right; `None` fills all at once.
        temperature: the divisor of the logits; 0 takes the most probable token.
        schedule: how the share of masked tokens grows, as in training.
        generator: the generator; `None` means the global one of torch.

    Returns:
        (batch, token + new) int64 without a mask.

    Raises:
        RecipeError: a size is not positive.
    """
    size = new if block is None else block
    if min(new, steps, size) < 1 or temperature < 0:
        value = f"new={new}, steps={steps}, block={block}, temperature={temperature}"
        raise RecipeError(value, "sizes are at least 1, the temperature at least 0", "Change it")
    masks = torch.full((len(prompt), new), mask_id, device=prompt.device)
    ids = torch.cat([prompt, masks], 1)
    start = prompt.shape[1]
    for first in range(start, start + new, size):
        part = slice(first, min(first + size, start + new))
        for step in range(steps):
            times = torch.tensor([1 - step / steps, 1 - (step + 1) / steps], dtype=torch.float64)
            candidates, chance = _draw(model, ids, mask_id, temperature, generator)
            visible_shares = UNMASKED_SHARE[schedule](times)
            # (a_s - a_t) / (1 - a_t): the probability that a token that is masked at t is visible
            # at s < t.
            share = float((visible_shares[1] - visible_shares[0]) / (1 - visible_shares[0]))
            masked = ids[:, part] == mask_id
            is_revealed = (
                torch.rand(masked.shape, device=ids.device, generator=generator) < share
                if order == "ancestral"
                else _most_certain(chance[:, part], masked, share)
            )
            # The schedule ends at 1 but for rounding; no mask may be left.
            is_revealed = masked & (is_revealed | (step + 1 == steps))
            ids[:, part] = torch.where(is_revealed, candidates[:, part], ids[:, part])
    return ids


def _draw(
    model: Any, ids: Tensor, mask_id: int, temperature: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Return a token for every position, and its probability, each (batch, token)."""
    logits = model(input_ids=ids).logits.float()
    # The network may want to predict the mask, which is no token of a text.
    logits[..., mask_id] = float("-inf")
    chances = (logits / (temperature or 1.0)).softmax(-1)
    if temperature == 0:
        best = chances.max(-1)
        return best.indices, best.values
    flat = chances.flatten(0, 1)
    tokens = torch.multinomial(flat, 1, generator=generator).view(ids.shape)
    return tokens, chances.gather(-1, tokens[..., None])[..., 0]


def _most_certain(chance: Tensor, masked: Tensor, share: float) -> Tensor:
    """Return the most probable of the masked positions, `share` of them rounded up."""
    count = (masked.sum(1) * share).ceil().long()
    order = chance.masked_fill(~masked, -1).argsort(1, descending=True)
    # The inverse of a permutation: the place of each position in the order.
    ranks = order.argsort(1)
    return ranks < count[:, None]
