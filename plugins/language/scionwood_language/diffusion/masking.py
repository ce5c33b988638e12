"""Schedules of masked diffusion, and the corruption of tokens."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Schedule = Literal["linear", "cosine"]

UNMASKED_SHARE: dict[Schedule, Callable[[Tensor], Tensor]] = {
    "linear": lambda time: 1 - time,
    "cosine": lambda time: 1 - torch.sin(math.pi / 2 * time),
}
"""The share of tokens that is left at a time from 0 to 1."""

WEIGHTS: dict[Schedule, Callable[[Tensor], Tensor]] = {
    "linear": lambda time: 1 / time,
    "cosine": lambda time: (
        math.pi / 2 * torch.cos(math.pi / 2 * time) / torch.sin(math.pi / 2 * time)
    ),
}
"""The weight of a masked token: minus the derivative of `UNMASKED_SHARE`, over the masked share."""

EARLIEST = 1e-3
"""The smallest time of training. At time 0 nothing is masked, and the weight is infinite."""


def mask_tokens(
    ids: Tensor,
    time: Tensor,
    mask_id: int,
    schedule: Schedule = "linear",
    fixed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Replace each token by the mask token, independently, with the probability of its time.

    At time 1 every token is replaced, with probability one.

    Args:
        ids: (batch, token) int64.
        time: (batch,), from 0 to 1.
        mask_id: the mask token.
        schedule: how the share of masked tokens grows.
        fixed: (batch, token) bool, tokens that are never replaced: prompts and padding.
        generator: the generator; `None` means the global one of torch.

    Returns:
        The tokens, and a bool for each: whether it was replaced.
    """
    uniform = torch.rand(ids.shape, device=ids.device, generator=generator)
    # In double precision: the schedule of a time near 1 is the difference of two nearly equal
    # numbers.
    hidden = uniform < 1 - UNMASKED_SHARE[schedule](time.double())[:, None].to(uniform.device)
    # The cosine of time 1 is not exactly 0 in floating point.
    hidden |= (time >= 1)[:, None]
    if fixed is not None:
        hidden &= ~fixed
    return ids.masked_fill(hidden, mask_id), hidden


def draw_times(n: int, generator: torch.Generator | None = None) -> Tensor:
    """Return times spread evenly over [`EARLIEST`, 1), from one draw, which lowers the variance.

    Source: Kingma et al., arXiv:2107.00630, appendix I.1.
    """
    offset = torch.rand((), generator=generator)
    # One offset for all: the times of a batch cover the interval evenly, and each is uniform.
    even = (offset + torch.arange(n) / n) % 1
    return EARLIEST + (1 - EARLIEST) * even[torch.randperm(n, generator=generator)]
