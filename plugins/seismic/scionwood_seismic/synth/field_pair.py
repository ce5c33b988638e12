"""Training pairs at the canonical sampling: signal and noise at a drawn level, with a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

QUIETEST_TOLD = 1e-3
"""The lowest noise level that is told, as a share of the RMS of the signal; 0 means unknown."""

SILENT = 1e-4
"""Kept traces with a lower share of the amplitude of the record count as without signal."""


@final
@dataclass(frozen=True)
class Pair:
    """A noisy and a clean record; the clean one has an RMS of 1 where there is data, or is zero.

    With slices beside it, the record is the first one of each array.

    Attributes:
        noisy: (trace, time) or (slice, trace, time) float32, zero where the mask is.
        clean: likewise.
        mask: likewise, 1 where there is data.
        level: the RMS of the noise, 0 without noise.
    """

    noisy: np.ndarray
    clean: np.ndarray
    mask: np.ndarray
    level: float


def draw_clean(rng: np.random.Generator, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return a variant of a record: flipped, with a share of another one, or shifted in time.

    Args:
        rng: the random number generator.
        one: (trace, time), or (slice, trace, time).
        other: the same shape.
    """
    record = one[..., ::-1, :] if rng.random() < 0.5 else one
    if rng.random() < 0.3:
        record = record + rng.uniform(0, 1) * other
    return np.roll(record, int(rng.integers(-20, 20)), -1) if rng.random() < 0.3 else record


def draw_traces(rng: np.random.Generator, traces: int, few: float) -> int:
    """Draw how many traces a record has: a share of the records has 1 to all, log-uniform.

    Args:
        rng: the random number generator.
        traces: the largest number.
        few: the share of the records with fewer traces.
    """
    if rng.random() >= few:
        return traces
    return int(np.exp(rng.uniform(0, np.log(traces))) + 0.5)


def mix(clean: np.ndarray, noise: np.ndarray, level: float, traces: int) -> Pair:
    """Add noise to a record, and keep its first traces only.

    Args:
        clean: (trace, time), or (slice, trace, time); any unit.
        noise: the same shape, of about unit standard deviation.
        level: factor of the noise, relative to the RMS of the kept clean traces.
        traces: number of traces that are kept.
    """
    mask = np.zeros(clean.shape, np.float32)
    mask[..., :traces, :] = 1
    first_component = clean if clean.ndim == 2 else clean[0]
    rms = float(np.sqrt(np.square(first_component[:traces], dtype=np.float64).mean()))
    heard = rms > SILENT * float(first_component.std())
    signal = (clean / rms * mask if heard else 0 * mask).astype(np.float32)
    added = (level * noise * mask).astype(np.float32)
    noise_level = float(np.sqrt(np.square(added[..., :traces, :], dtype=np.float64).mean()))
    return Pair(signal + added, signal, mask, noise_level)
