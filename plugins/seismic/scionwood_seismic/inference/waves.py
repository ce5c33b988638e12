"""Find slow waves, such as ground roll, below the band of faster ones, and take them out.

Slow waves are coherent by every test. Only the user can say that they are noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import fft
from scipy import ndimage as nd

from scionwood_seismic.inference.beams import beams
from scionwood_seismic.inference.filters import band_pass, fan

OCTAVES = ((0.006, 0.02), (0.012, 0.04), (0.025, 0.08), (0.05, 0.16), (0.1, 0.32))
"""Bands that overlap by half, cycles per sample."""

FEWEST = 5  # coherent places of an octave
SLOWER, MARGIN = 2.0, 0.2  # the least ratio of two slownesses, and samples per trace beyond it
STEEP = 0.1  # periods per trace, the least slope of slow waves
ABOVE = 1.25  # of the cut, the corner of what is filtered
LEAST_ENERGY = 0.05  # of the energy, in an octave of each kind


@final
@dataclass(frozen=True)
class SlowWaves:
    """Two kinds of waves in a record.

    Attributes:
        cut: the frequency below which the slow ones lie, cycles per sample.
        slow: the delay of the slow ones, samples per trace.
        fast: that of the others.
    """

    cut: float
    slow: float
    fast: float

    def removed(self, record: np.ndarray) -> np.ndarray:
        """Return a record without the slow waves.

        Args:
            record: (trace, time), any unit; dead traces are zero and stay so.
        """
        alive = record.any(axis=1)
        signal = np.asarray(record[alive], np.float64)
        low = band_pass(signal, 0, ABOVE * self.cut)
        # Below the cut, delays up to twice those of the fast waves stay, or 0.04 periods.
        result = np.zeros(record.shape, np.float32)
        result[alive] = signal - low + fan(low, max(2 * self.fast, 0.04 / self.cut))
        return result


def find_slow_waves(record: np.ndarray) -> SlowWaves | None:
    """Return the slow waves of a record, or None if one kind of waves is found.

    Args:
        record: (trace, time), any unit; finite, live traces only.
    """
    white, power = _whitened(record)
    waves = []
    for low, high in OCTAVES:
        octave, gain = _octave(white, low, high)
        coherent = beams(octave, 1.4 / (low + high))
        if coherent.has_events and len(coherent.slopes) >= FEWEST:
            f = coherent.frequency / coherent.period
            centre = float((coherent.power * f).sum() / max(coherent.power.sum(), 1e-300))
            slope = float(np.median(np.abs(coherent.slopes)))
            share = float((power * gain**2).sum() / power.sum())
            waves.append((centre, slope * coherent.period, slope, share))
    best, largest = None, 0.0
    for i in range(1, len(waves)):
        centres, delays, slopes, shares = zip(*waves, strict=True)
        slow, fast = float(np.mean(delays[:i])), float(np.mean(delays[i:]))
        loud = min(max(shares[:i]), max(shares[i:])) > LEAST_ENERGY
        steep = np.mean(slopes[:i]) >= STEEP
        contrast = slow / (fast + MARGIN)
        if loud and steep and slow > SLOWER * fast + MARGIN and contrast > largest:
            best, largest = (
                SlowWaves(float(np.sqrt(centres[i - 1] * centres[i])), slow, fast),
                contrast,
            )
    return best


def whitened(record: np.ndarray) -> np.ndarray:
    """Return a record with nearly equal power at all frequencies, (trace, time).

    Args:
        record: (trace, time), any unit.
    """
    return _whitened(record)[0]


def _whitened(record: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the whitened record, and the power of the record at each frequency."""
    samples = record.shape[1]
    spectrum = fft.rfft(np.asarray(record, np.float64))
    power = np.square(np.abs(spectrum)).mean(axis=0)
    amplitude = nd.uniform_filter1d(np.sqrt(power), max(5, samples // 40))
    floor = 0.03 * np.median(amplitude) + 1e-30
    white: np.ndarray = fft.irfft(spectrum / (amplitude + floor), samples)
    return white, power


def _octave(record: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of a record in a band with Gaussian flanks, and the gain."""
    f = fft.rfftfreq(record.shape[1])
    below, above = np.clip(low - f, 0, None), np.clip(f - high, 0, None)
    gain = np.exp(-((below / (0.25 * low + 0.003)) ** 2) / 2 - (above / (0.2 * high)) ** 2 / 2)
    part: np.ndarray = fft.irfft(fft.rfft(record) * gain, record.shape[1])
    return part, gain
