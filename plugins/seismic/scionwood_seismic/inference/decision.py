"""Decide what becomes of a removal whose harm was measured: all of it stays, a part, or nothing."""

from __future__ import annotations

from collections.abc import Mapping

from scionwood_seismic.inference.options import GateOptions

EXACT = 1e-9  # by which an amplitude may miss its limit, for rounding

Amplitudes = Mapping[str, float]
"""Level and kind of event -> the share of its amplitude that comes back."""


def share_to_keep(amplitudes: Amplitudes, options: GateOptions) -> tuple[float, str]:
    """Return the share of the removal that may stay, and why it is not all of it.

    Blending with the input raises a recovered amplitude r to `1 - share (1 - r)`. The worst kind of
    strong events counts.

    Args:
        amplitudes: the recovered amplitude of each kind of event.
        options: the limits.

    Returns:
        1 and no reason if the result may stay as it is; 0 and a reason if nothing may stay.

    Example:
        >>> share, why = share_to_keep({"strong own": 0.7, "weak own": 0.1}, GateOptions())
        >>> round(share, 2), why
        (0.5, 'strong own events kept 0.70 (limit 0.85)')
    """
    name, value = worst(amplitudes, "strong")
    if value >= options.strong - EXACT:
        return 1.0, ""
    # From 1 - share (1 - r) = limit.
    share = (1 - options.strong) / (1 - value)
    reason = f"{name} events kept {value:.2f} (limit {options.strong:g})"
    return (share, reason) if share >= options.smallest_share else (0.0, reason)


def share_to_put_back(plain: Amplitudes, mended: Amplitudes, options: GateOptions) -> float:
    """Return how much of what resembles signal goes back until strong events reach their limit.

    Args:
        plain: the recovered amplitude of each kind of event.
        mended: the same if all of it goes back.
        options: the limits.

    Example:
        >>> round(share_to_put_back({"strong own": 0.75}, {"strong own": 0.95}, GateOptions()), 2)
        0.5
    """
    ways = [0.0]
    for name, value in plain.items():
        if name.startswith("strong") and value < options.strong:
            gain = mended[name] - value
            ways.append(min(1.0, (options.strong - value) / gain) if gain > 0 else 1.0)
    return max(ways)


def worst(amplitudes: Amplitudes, level: str) -> tuple[str, float]:
    """Return the kind of a level with the smallest amplitude; 1 if there is none."""
    values = [(value, name) for name, value in amplitudes.items() if name.startswith(level)]
    value, name = min(values, default=(1.0, ""))
    return name, value
