"""What is coherent in a record: the slopes and the band of its events, beyond a null.

Local beams stack neighbouring traces along the slope of the highest semblance. The null is the same
search after blocks of neighbouring traces were shifted in time at random: it keeps noise that a few
neighbours share, and has no events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import fft
from scipy import ndimage as nd

from scionwood_seismic.synth.canonical import CANONICAL_PERIOD, resample, without_common_mode

PLACES = 24
SLOPES = np.unique(np.r_[np.linspace(-1, 1, 31) ** 3, np.linspace(-0.16, 0.16, 9)]) / 2
"""That are tried, periods per trace: a steeper event is aliased."""

APERTURES = 17, 33  # traces of a beam
BENDS = np.array([-0.8, -0.4, 0.0, 0.4, 0.8])  # periods at the ends of the wider beam
FINER = np.linspace(-0.5, 0.5, 5)  # of the distance to the next slope
LENGTH = 72  # samples of a beam at the canonical sampling: six periods
BLOCK = 4  # traces that the null keeps together
BEYOND, ABOVE = 2.3, 0.8
"""Standard deviations over the mean of the null that the semblance of a place exceeds, about the
quantile 0.97 of a largest value; and the quantile of the null that power exceeds."""

FEWEST, EXCESS = 3, 1.5
"""Coherent places, and the sum of what their semblances exceed the null by over the null, below
which a record has no coherent event. White noise and a network of stations, whose traces have
nothing in common, reach 0.7; the tuning lines with as much noise as signal begin at 3.3."""

GAIN = 0.45, 0.7
"""The part of the coherent share that the wider beam keeps: below the first a frequency does not
count, from the second on it counts fully. Noise that only neighbours have in common keeps half."""

WIDE = 25  # frequencies over which that part is taken

FLOOR = 0.05  # of the largest power, below which there is no band
SIZE = 512  # of a Fourier transform


@final
@dataclass(frozen=True)
class Beams:
    """What is coherent in a record.

    Attributes:
        period: the dominant period, samples of the record.
        power: the power of events, (frequency,); zero outside of their band.
        frequency: cycles per period, (frequency,).
        slopes: of the coherent places, periods per trace, (place,).
        places: trace and time of the coherent places, time in samples of the record, (place, 2).
        semblance: of all places, coherent or not.
        null: the semblance that a coherent place exceeds.
    """

    period: float
    power: np.ndarray
    frequency: np.ndarray
    slopes: np.ndarray
    places: np.ndarray
    semblance: np.ndarray
    null: float

    @property
    def has_events(self) -> bool:
        """Whether the record has coherent events."""
        excess = np.clip(self.semblance - self.null, 0, None).sum() / self.null
        return len(self.slopes) >= FEWEST and bool(excess >= EXCESS)

    def coherent_share(self, removed: np.ndarray) -> float:
        """Return the share of the energy of a removal that is coherent along the own slopes.

        Args:
            removed: (trace, time), the shape of the record.
        """
        if not self.has_events or not removed.any():
            return 0.0
        canonical = _canonical(removed, self.period)
        step = CANONICAL_PERIOD / self.period
        places = np.rint(self.places * (1, step)).astype(int)
        slopes = np.unique(self.slopes)
        half = _half(len(removed), APERTURES[0])
        semblance, null = (
            _scan(one, places, _lines(slopes, half))[0]
            for one in (canonical, _shuffled(canonical, np.random.default_rng(1)))
        )
        return float(np.clip(semblance - _limit(null), 0, None).mean())


def beams(record: np.ndarray, period: float, *, seed: int = 0) -> Beams:
    """Search a record for what is coherent.

    Args:
        record: (trace, time), any unit; at least three traces.
        period: the dominant period, samples.
        seed: of the places, the stronger ones more often, and of the null.

    Example:
        >>> from scionwood_seismic.synth.field_signal import draw_record
        >>> record = draw_record(np.random.default_rng(0), (64, 256), ["layers"])
        >>> beams(record, 16.0).has_events
        True
    """
    rng = np.random.default_rng(seed)
    canonical = without_common_mode(_canonical(np.asarray(record, np.float64), period))
    levelled = canonical / (_rms(canonical, (15, 101)) + 1e-3 * canonical.std() + 1e-30)
    places = _places(canonical, rng)
    lines = _lines(SLOPES, _half(len(record), APERTURES[0]))
    shuffled = _shuffled(levelled, rng)
    semblance, best, _ = _scan(levelled, places, lines)
    null, null_best, _ = _scan(shuffled, places, lines)
    limit = _limit(null)
    coherent = semblance > limit
    power, slopes = np.zeros(SIZE // 2 + 1), SLOPES[best[coherent]]
    if len(slopes) >= FEWEST:
        power = _band(levelled, places[coherent], best[coherent])
        power -= _shared(shuffled, places, null_best)
        power = _smooth(np.clip(power, 0, None), 5)
        power[power < FLOOR * power.max()] = 0
    return Beams(
        period,
        power,
        fft.rfftfreq(SIZE) * CANONICAL_PERIOD,
        slopes,
        places[coherent] * (1, period / CANONICAL_PERIOD),
        semblance,
        limit,
    )


def _band(record: np.ndarray, places: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Return the power of coherent places that grows with the aperture, (frequency,)."""
    narrow, wide = (
        _scan(record, places, _bent(best, _half(len(record), aperture)))[2].mean(0)
        for aperture in APERTURES
    )
    part = _smooth(wide, WIDE) / np.maximum(_smooth(narrow, WIDE), 1e-12)
    first, last = GAIN
    power: np.ndarray = narrow * np.clip((part - first) / (last - first), 0, 1)
    return power


def _shared(record: np.ndarray, places: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Return the coherent power of the null, (frequency,)."""
    half = _half(len(record), APERTURES[0])
    share = _scan(record, places, _lines(SLOPES, half)[best][:, None])[2]
    shared: np.ndarray = np.quantile(share, ABOVE, axis=0).clip(0)
    return shared


def _canonical(record: np.ndarray, period: float) -> np.ndarray:
    samples = max(LENGTH // 2, round(record.shape[1] * CANONICAL_PERIOD / period))
    return resample(record, samples)


def _half(traces: int, aperture: int) -> int:
    return min(aperture, traces) // 2 if traces % 2 or traces > aperture else (traces - 1) // 2


def _rms(record: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rms: np.ndarray = np.sqrt(np.maximum(nd.uniform_filter(np.square(record), size), 0))
    return rms


def _limit(null: np.ndarray) -> float:
    return float(null.mean() + BEYOND * null.std())


def _smooth(power: np.ndarray, size: int) -> np.ndarray:
    smooth: np.ndarray = nd.uniform_filter1d(power, size)
    return smooth


def _places(record: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return traces and samples, the louder ones more often, with room for a beam, (place, 2)."""
    traces, samples = record.shape
    half, length = _half(traces, APERTURES[0]), min(LENGTH, samples)
    rows = np.arange(half, traces - half)
    columns = np.arange(length // 2, samples - length // 2 + 1)
    loud = _rms(nd.gaussian_filter1d(record, 1.0, axis=1), (2 * half + 1, length))
    weight = loud[np.ix_(rows, columns)].ravel() + 1e-12
    at = rng.choice(len(weight), PLACES, p=weight / weight.sum())
    return np.stack([rows[at // len(columns)], columns[at % len(columns)]], axis=1)


def _lines(slopes: np.ndarray, half: int) -> np.ndarray:
    """Return the delays of straight lines, samples, (line, trace)."""
    return CANONICAL_PERIOD * slopes[:, None] * np.arange(-half, half + 1)


def _bent(best: np.ndarray, half: int) -> np.ndarray:
    """Return the delays of bent lines about the best slope of each place, (place, line, trace)."""
    across = np.arange(-half, half + 1)
    finer = SLOPES[best][:, None] + np.gradient(SLOPES)[best][:, None] * FINER
    bends = BENDS * np.square(half / (APERTURES[1] // 2))
    delays = finer[..., None, None] * across + bends[:, None] * np.square(across / max(half, 1))
    lines: np.ndarray = CANONICAL_PERIOD * delays.reshape(len(best), -1, len(across))
    return lines


def _shuffled(record: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a record whose blocks of neighbouring traces are shifted in time at random."""
    traces, samples = record.shape
    block = max(1, min(BLOCK, traces // 6))
    by = np.repeat(rng.integers(samples, size=-(-traces // block)), block)[:traces]
    return np.take_along_axis(record, (np.arange(samples) + by[:, None]) % samples, axis=1)


def _scan(
    record: np.ndarray, places: np.ndarray, lines: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stack along lines: the best semblance at each place, its line, and the coherent power.

    Args:
        record: (trace, time).
        places: (place, 2), trace and sample.
        lines: (line, trace) or (place, line, trace), samples.

    Returns:
        Semblance (place,), index of the line (place,), and the share of the energy at each
        frequency that is coherent (place, frequency).
    """
    traces, samples = record.shape
    lines = np.broadcast_to(lines, (len(places), *lines.shape[-2:]))
    half = lines.shape[-1] // 2
    # A place at the edge has a beam that begins at the edge.
    first = np.clip(places[:, 0] - half, 0, traces - lines.shape[-1])
    rows = (first[:, None] + np.arange(lines.shape[-1]))[:, None, :, None]
    length = min(LENGTH, samples)
    start = places[:, 1, None, None] - length // 2 + np.rint(lines).astype(int)
    columns = start[..., None] + np.arange(length)
    inside = (columns >= 0) & (columns < samples)
    picked = record[rows, columns.clip(0, samples - 1)] * inside
    stacked = np.square(picked.sum(axis=2)).sum(axis=2)
    n = lines.shape[-1]
    semblance = stacked / (n * np.square(picked).sum(axis=(2, 3)) + 1e-30)
    best = semblance.argmax(axis=1)
    at = np.arange(len(places))
    chosen = picked[at, best]
    spectra = fft.rfft(chosen * np.hanning(length + 2)[1:-1], SIZE)
    together, alone = np.square(np.abs(spectra.mean(1))), np.square(np.abs(spectra)).mean(1)
    energy = np.square(chosen).sum(axis=(1, 2))[:, None] + 1e-30
    share = n * (n * together - alone) / (n - 1) / energy
    return semblance[at, best], best, share
