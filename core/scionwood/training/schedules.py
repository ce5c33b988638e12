"""Schedules by name: the share of the learning rate after the warm-up.

Each takes the optimiser step since the end of the warm-up and the number of steps after it, which
is infinite for a run without an end. The share at step 0 is 1, and that of the last one `floor`.
"""

from __future__ import annotations

import math


def constant(step: int, total: float) -> float:
    """Keep the rate."""
    return 1.0


def cosine(step: int, total: float, *, floor: float = 0.0) -> float:
    """Follow half a cosine down to `floor` (Loshchilov and Hutter 2017, equation 5)."""
    return _above(floor, 0.5 * (1 + math.cos(math.pi * _share(step, total))))


def cosine_restarts(step: int, total: float, *, cycles: int = 4, floor: float = 0.0) -> float:
    """Follow several half cosines of equal length; each begins at the full rate."""
    position = _share(step, total) * cycles
    part = 1.0 if position >= cycles else position % 1.0
    return _above(floor, 0.5 * (1 + math.cos(math.pi * part)))


def linear(step: int, total: float, *, floor: float = 0.0) -> float:
    """Follow a line down to `floor`."""
    return _above(floor, 1 - _share(step, total))


def polynomial(step: int, total: float, *, power: float = 2.0, floor: float = 0.0) -> float:
    """Follow a power of the steps that are left; `power` 1 is a line."""
    return _above(floor, (1 - _share(step, total)) ** power)


def exponential(step: int, total: float, *, floor: float = 0.01) -> float:
    """Fall by the same factor at each step, down to a `floor` above zero.

    Raises:
        ValueError: the floor is not above zero.
    """
    if floor <= 0:
        raise ValueError(f"floor {floor} must be above zero")
    return float(floor ** _share(step, total))


def inverse_sqrt(step: int, total: float, *, scale: int = 1000) -> float:
    """Fall as one over the square root of the steps, for runs without a known end.

    After `scale` steps the share is 0.71.
    """
    return math.sqrt(scale / (scale + step))


def step(step: int, total: float, *, every: int = 1000, factor: float = 0.1) -> float:
    """Multiply the rate by `factor` every so many steps.

    Raises:
        ValueError: `every` is not at least 1.
    """
    if every < 1:
        raise ValueError(f"every {every} must be at least 1")
    return float(factor ** (step // every))


def wsd(step: int, total: float, *, decay: float = 0.2, floor: float = 0.0) -> float:
    """Keep the rate, then decay along a line: warm-up, stable, decay (Hu 2024, arXiv:2404.06395).

    `decay` is the share of the steps in which the rate falls.
    """
    left = 1 - _share(step, total)
    return _above(floor, 1.0 if left >= decay else left / decay)


def _share(step: int, total: float) -> float:
    return min(1.0, step / max(1, total))


def _above(floor: float, share: float) -> float:
    return floor + (1 - floor) * share
