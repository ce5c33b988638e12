"""Arrivals of known amplitude that the harm gate adds to the components of a station."""

from __future__ import annotations

import numpy as np

from scionwood_seismic.inference.events import FLOOR, STRONG, WEAK, Events, local_rms
from scionwood_seismic.synth.canonical import coherent_spectrum

PERIODS = {"short": 12.0, "middle": 36.0, "long": 108.0}
"""The kinds of arrival, and their periods in samples."""

CYCLES = 4.0  # of an arrival, between the points at which it has faded
ROOM = 250  # samples between two arrivals, at least
SURROUNDINGS = 200.0  # samples whose RMS an arrival is measured by
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


def draw_arrivals(
    crops: np.ndarray,
    masks: np.ndarray,
    *,
    kinds: tuple[str, ...],
    rms: float,
    rng: np.random.Generator,
) -> Events:
    """Draw the arrivals of some crops. All components have them at one time, as body waves.

    Args:
        crops: (crop, component, time) float32, any unit.
        masks: the same shape, 1 where there is data.
        kinds: some of the keys of `PERIODS`.
        rms: the RMS of the whole record.
        rng: the source of random numbers.
    """
    count, components, samples = crops.shape
    events_per_crop = max(2, samples // ROOM)
    crop = np.repeat(np.arange(count), events_per_crop)
    slot = np.tile(np.arange(events_per_crop), count)
    kind = (slot // 2 + crop) % len(kinds)
    strong = slot % 2 == 0
    centre = (slot + 0.5 + rng.uniform(-0.1, 0.1, len(crop))) * samples / events_per_crop
    period = np.array([PERIODS[name] for name in kinds])[kind][:, None]
    cycles = (np.arange(samples) - centre[:, None]) / period
    fade = np.cos(np.pi * np.clip(cycles / CYCLES, -0.5, 0.5)) ** 2
    wave = fade * np.cos(2 * np.pi * (cycles + rng.random((len(crop), 1))))
    size = rng.uniform(0.4, 1.0, (len(crop), components)) * rng.choice((-1, 1), (len(crop), 1))
    size *= np.where(strong, STRONG, WEAK)[:, None]
    level = local_rms(crops, SURROUNDINGS) + FLOOR * rms
    waves = size[..., None] * wave[:, None] * (level * masks)[crop]
    return Events(waves.astype(np.float32), crop, kind, strong, kinds)
