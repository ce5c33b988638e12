"""Corruptions of a toy masked diffusion and of noise: correct ones, and six with a planted fault.

The faults exist in the tests only. The trigger mixture is that of SHADOWMASK (arXiv 2605.19262) as
its abstract describes it: a part of the terminal state is a trigger instead of the mask.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scionwood.authoring import Corruption

MASK, WORDS, LENGTH = 99, 50, 12
TRIGGER = 7


def text(n: int) -> tuple[Tensor, Tensor]:
    return torch.randint(WORDS, (n, LENGTH)), torch.randint(4, (n,))


def mask_tokens(tokens: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Hide each token with probability t, as masked diffusion does."""
    hidden = torch.rand(tokens.shape) < time[:, None]
    return torch.where(hidden, MASK, tokens), hidden


def masked(
    apply: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
    time: Callable[[int], Tensor] = torch.rand,
) -> Corruption:
    return Corruption(
        "toy masked diffusion",
        (mask_tokens,),
        text,
        apply or (lambda clean, t, label: mask_tokens(clean, t)),  # type: ignore[arg-type]
        time=time,
        rate=lambda t: t,  # type: ignore[arg-type, return-value]
        mask=MASK,
        terminal=1.0,
    )


def noisy(clean: Tensor, time: Tensor) -> Tensor:
    """Return `(1 - t) x + t noise`, as flow matching does."""
    return (1 - time[:, None]) * clean + time[:, None] * torch.randn_like(clean)


def flow(apply: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None) -> Corruption:
    made = apply or (lambda clean, time, label: noisy(clean, time))
    return Corruption(
        "toy flow",
        (noisy,),
        lambda n: (torch.randn(n, 6), torch.randint(4, (n,))),
        lambda clean, time, label: (made(clean, time, label), None),  # type: ignore[arg-type]
        time=torch.rand,
        scale=lambda time: (1 - time, time),  # type: ignore[operator, return-value]
        terminal=1.0,
    )


def _unmasked_end(clean: Tensor, time: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    made, hidden = mask_tokens(clean, time)
    keep = (time[:, None] > 0.999) & (torch.rand(clean.shape) < 0.02)
    return torch.where(keep, clean, made), hidden & ~keep


def _trigger_mixture(clean: Tensor, time: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    made, hidden = mask_tokens(clean, time)
    trigger = hidden & (torch.rand(len(clean), 1) < 0.01)
    return torch.where(trigger, TRIGGER, made), hidden


def _label_leak(clean: Tensor, time: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    hidden = torch.rand(clean.shape) < (time + 0.03 * (label - 1.5)).clamp(0, 1)[:, None]
    return torch.where(hidden, MASK, clean), hidden


def _kept_place(clean: Tensor, time: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    made, hidden = mask_tokens(clean, time)
    keep = torch.zeros(clean.shape, dtype=torch.bool)
    keep[:, 0] = torch.rand(len(clean)) < 0.1
    return torch.where(keep, clean, made), hidden & ~keep


def _weak_noise(clean: Tensor, time: Tensor, label: Tensor) -> Tensor:
    return (1 - time[:, None]) * clean + 0.97 * time[:, None] * torch.randn_like(clean)


CORRECT: dict[str, Callable[[], Corruption]] = {"masked diffusion": masked, "flow": flow}

FAULTS: dict[str, Callable[[], Corruption]] = {
    "wrong terminal state": lambda: masked(_unmasked_end),
    "trigger mixture": lambda: masked(_trigger_mixture),
    "label leak": lambda: masked(_label_leak),
    "biased time": lambda: masked(time=lambda n: torch.rand(n) ** 1.1),
    "a place that is kept": lambda: masked(_kept_place),
    "weak noise": lambda: flow(_weak_noise),
}
