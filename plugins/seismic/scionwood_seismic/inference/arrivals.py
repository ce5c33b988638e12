"""Arrivals of known amplitude that the harm gate adds to the components of a station."""

from __future__ import annotations

from typing import final

import numpy as np

from scionwood_seismic.inference.events import local_rms
from scionwood_seismic.synth.canonical import coherent_spectrum

PERIODS = {"short": 12.0, "middle": 36.0, "long": 108.0}
"""The kinds of arrival, and their periods in samples."""

CYCLES = 4.0  # of an arrival, between the points at which it has faded
WINDOW = 1024  # samples of the window of an arrival
SURROUNDINGS = 200  # samples whose RMS an arrival is measured by
BAND = 0.1  # of the largest power by octave, from which a period is in the band of a record


def kinds_of(record: np.ndarray) -> tuple[str, ...]:
    """Return the kinds of arrival whose period lies in the band of a record; at least one.

    Args:
        record: (component, time), any unit.
    """
    power, frequency = coherent_spectrum(np.asarray(record, np.float64))
    density, frequency = (power * frequency)[1:], frequency[1:]
    shares = {
        name: float(density[np.abs(np.log2(frequency * period)) < 0.5].mean())
        for name, period in PERIODS.items()
    }
    top = max(float(density.max()), 1e-300)
    best = max(shares, key=lambda name: shares[name])
    return tuple(name for name in PERIODS if shares[name] > BAND * top or name == best)


@final
class StationEvents:
    """Draw arrivals; all components have them at one time, as body waves.

    Args:
        record: (component, time), any unit; dead components are zero.
    """

    def __init__(self, record: np.ndarray) -> None:
        self.kinds = kinds_of(record[record.any(axis=1)])
        self.window = record.shape[0], min(WINDOW, record.shape[1])
        self._level = local_rms(record, (3, SURROUNDINGS))

    def draw(
        self, kind: str, corner: tuple[int, int], centre: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, int]:
        """See `events.Source.draw`."""
        components, samples = self.window
        cycles = (np.arange(samples) - centre * samples) / PERIODS[kind]
        fade = np.cos(np.pi * np.clip(cycles / CYCLES, -0.5, 0.5)) ** 2
        wave = fade * np.cos(2 * np.pi * (cycles + rng.random()))
        size = rng.uniform(0.4, 1.0, components) * rng.choice((-1, 1))
        level = self._level[:, corner[1] : corner[1] + samples]
        return size[:, None] * wave * level, 0
