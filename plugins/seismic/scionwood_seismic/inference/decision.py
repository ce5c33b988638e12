"""Decide what becomes of a removal whose harm was measured: all of it stays, a part, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from scionwood_seismic.inference import envelope
from scionwood_seismic.inference.options import GateOptions

EXACT = 1e-9  # by which an amplitude may miss its limit, for rounding

OWN_FLAT = "strong own flat"
"""The name of the amplitude of flat events that the record has itself."""

Amplitudes = Mapping[str, float]
"""Kind of event -> the share of its amplitude that comes back."""


@final
@dataclass(frozen=True)
class Decision:
    """What becomes of a removal.

    Attributes:
        back: how much goes back of the part that resembles what is kept, 0 to 1.
        share: the share of the rest that may stay; 0 if the record passes through unchanged.
        reason: why less than all may stay; empty if all may.
        amplitudes: the recovered amplitude of each kind of event after `back`, before `share`.
        alike: the local similarity of what is kept and what is removed.
    """

    back: float
    share: float
    reason: str
    amplitudes: Amplitudes
    alike: float = 0.0


def decide(
    plain: Amplitudes,
    mended: Amplitudes,
    removed: float,
    options: GateOptions,
) -> Decision:
    """Decide what becomes of a removal: lost signal goes back first, and then all of it.

    Args:
        plain: the recovered amplitude of each kind of event.
        mended: the same if all of the part that resembles what is kept goes back.
        removed: the share of the energy of the record that is removed.
        options: the limits.

    Example:
        >>> plain, mended = {"strong flat": 0.75}, {"strong flat": 0.95}
        >>> decision = decide(plain, mended, 0.5, GateOptions())
        >>> round(decision.back, 2), decision.share
        (0.5, 1.0)
    """
    share, reason = share_to_keep(plain, removed, options)
    if not reason or options.gate == "report":
        return Decision(0.0, share, reason, plain)
    pairs = [(plain[name], mended[name], options.strong) for name in plain if _is_strong(name)]
    if removed <= options.quiet_energy:
        pairs.append((mean_weak(plain), mean_weak(mended), options.weak))
    back = max(_way(*pair) for pair in pairs)
    amplitudes = {name: value + back * (mended[name] - value) for name, value in plain.items()}
    share, still = share_to_keep(amplitudes, removed, options)
    action = "; lost signal was put back" if share else ""
    return Decision(back, share, f"{still or reason}{action}", amplitudes)


def _way(value: float, end: float, limit: float) -> float:
    """Return which share of the way from a value to an end has to be gone to reach a limit."""
    if value >= limit:
        return 0.0
    return min(1.0, (limit - value) / (end - value)) if end > value else 1.0


def share_to_keep(
    amplitudes: Amplitudes, removed: float, options: GateOptions
) -> tuple[float, str]:
    """Return the share of the removal that may stay, and why it is not all of it.

    Blending with the input raises a recovered amplitude r to `1 - share (1 - r)`. Of strong events
    the worst kind counts, and of weak ones the mean of the kinds.

    Args:
        amplitudes: the recovered amplitude of each kind of event.
        removed: the share of the energy of the record that is removed.
        options: the limits.

    Returns:
        1 and no reason if the result may stay as it is; 0 and a reason if nothing may stay.

    Example:
        >>> share, why = share_to_keep({"strong flat": 0.7}, 0.5, GateOptions())
        >>> round(share, 2), why
        (0.5, 'strong flat events keep 0.70 of their amplitude, the limit is 0.85')
    """
    share, reason = 1.0, ""
    name, value = worst_strong(amplitudes)
    if value < options.strong - EXACT:
        # From 1 - share (1 - r) = limit.
        share = (1 - options.strong) / (1 - value)
        events = f"{name} events" if name != OWN_FLAT else "the flat events of the gather"
        reason = f"{events} keep {value:.2f} of their amplitude, the limit is {options.strong:g}"
    weak = mean_weak(amplitudes)
    if removed <= options.quiet_energy and 1 - share * (1 - weak) < options.weak - EXACT:
        share = (1 - options.weak) / (1 - weak)
        reason = f"weak events keep {weak:.2f} of their amplitude, the limit is {options.weak:g}"
    return (share, reason) if share >= options.smallest_share else (0.0, reason)


def worst_strong(amplitudes: Amplitudes) -> tuple[str, float]:
    """Return the kind of strong events with the smallest amplitude; 1 if there is none."""
    strong = [(v, name) for name, v in amplitudes.items() if _is_strong(name)]
    value, name = min(strong, default=(1.0, ""))
    return name, value


def _is_strong(name: str) -> bool:
    return name.startswith("strong")


def mean_weak(amplitudes: Amplitudes) -> float:
    """Return the mean amplitude of the kinds of weak events; 1 if there is none."""
    weak = [value for name, value in amplitudes.items() if name.startswith("weak")]
    return sum(weak) / len(weak) if weak else 1.0


def blended(amplitudes: Amplitudes, share: float) -> dict[str, float]:
    """Return the recovered amplitudes after blending with the input."""
    return {name: 1 - share * (1 - value) for name, value in amplitudes.items()}


def settle(
    record: np.ndarray,
    removed: np.ndarray,
    measured: tuple[Amplitudes, Callable[[], Amplitudes]],
    options: GateOptions,
    *,
    period: float,
    window: float,
) -> tuple[np.ndarray, Decision]:
    """Apply the limits of the gate to what a model removes from a record.

    Args:
        record: (trace, time), any unit.
        removed: the same shape.
        measured: what `gate.recovered` returned.
        options: the limits.
        period: the dominant period, samples.
        window: the period that sets the windows in which lost signal is found, samples.

    Returns:
        What may be removed, and the decision.
    """
    energy, all_of_it = _energy(record), _energy(removed)
    share_of_energy = all_of_it / max(energy, 1e-300)
    plain = _with_own(measured[0], record, removed)
    if share_to_keep(plain, share_of_energy, options)[1] and options.gate != "report":
        lost = envelope.resembling(record, removed, window)
        mended = _with_own(measured[1](), record, removed - lost)
        decision = decide(plain, mended, share_of_energy, options)
        removed = removed - np.float32(decision.back) * lost
    else:
        decision = decide(plain, plain, share_of_energy, options)
    resemblance = envelope.similarity(record, removed, period)
    decision = replace(decision, alike=resemblance)
    if options.gate == "report":
        return removed, replace(decision, share=1.0)
    if (
        decision.share
        and share_of_energy > envelope.SMALL_ENERGY_SHARE
        and resemblance > options.similarity
    ):
        reason = f"what is removed resembles what is kept: local similarity {resemblance:.2f}"
        decision = replace(decision, share=0.0, reason=reason)
    return removed * np.float32(decision.share), decision


def _with_own(amplitudes: Amplitudes, record: np.ndarray, removed: np.ndarray) -> Amplitudes:
    """Return the amplitudes with that of the flat events that the record has itself."""
    amplitude = envelope.flat_amplitude(record, removed)
    return amplitudes if amplitude is None else {**amplitudes, OWN_FLAT: amplitude}


def _energy(data: np.ndarray) -> float:
    return float(np.square(data, dtype=np.float64).sum())
