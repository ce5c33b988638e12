"""The canonical sampling: a network that knows one period serves records of every period.

A record is resampled along time until its dominant period has about `CANONICAL_PERIOD` samples. The
network then works there, and only what it removes is resampled back. Whatever is not removed is
returned bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from scipy import fft
from scipy import ndimage as nd

from scionwood_seismic.synth.coherence import coherent_spectrum, local_coherence

__all__ = [
    "CANONICAL_PERIOD",
    "Domain",
    "Plan",
    "coherent_spectrum",
    "dominant_period",
    "local_coherence",
    "plan",
    "resample",
    "without_common_mode",
]

CANONICAL_PERIOD = 12.0
"""Samples per dominant period at which the field networks are trained."""

Domain = Literal["shot", "stack", "das", "station"]
"""The four kinds of record for which the plugin ships a model."""

SHORTEST, BAND = 6.0, (8.0, 17.0)
"""Periods, samples: shorter ones are always resampled; those in the band need no resampling."""

TOP = 2.3
"""The upper end of the signal's band, as a multiple of the dominant frequency."""

FOOT = 0.02
"""The share of its peak at which the strongest lobe of a `das` record ends."""

LONGEST_PERIOD = 400.0
"""Longer periods are not resolved and count as this one, samples."""

NOISE_SHARE, SOME_SHARE, TRACE_SHARE = 0.1, 0.03, 1e-3
"""Shares of the energy above the band: surely noise; noise if incoherent; too little to drop."""

COHERENT = 0.35
"""Local coherence from which energy above the band counts as signal."""

TRACES = 512  # what an estimate looks at, at most


@final
@dataclass(frozen=True)
class Plan:
    """How a record goes to the canonical sampling and back.

    Attributes:
        period: the dominant period, samples of the record.
        factor: canonical samples per sample; 1 leaves the record as it is.
        drop_high: whether the energy above the canonical band goes as noise. Otherwise it stays.
        samples: samples of a trace of the record.

    Example:
        >>> import numpy as np
        >>> record = np.random.default_rng(0).standard_normal((4, 100))
        >>> steps = Plan(24.0, 0.5, False, 100)
        >>> canonical = steps.apply(record)
        >>> canonical.shape
        (4, 50)
        >>> bool((steps.restore(record, 0 * canonical) == record).all())
        True
    """

    period: float
    factor: float
    drop_high: bool
    samples: int

    @property
    def length(self) -> int:
        """Samples of a trace at the canonical sampling."""
        return max(1, round(self.samples * self.factor))

    def apply(self, record: np.ndarray) -> np.ndarray:
        """Return a record (trace, time) at the canonical sampling, in its unit."""
        return record if self.factor == 1 else resample(record, self.length)

    def restore(self, record: np.ndarray, removed: np.ndarray) -> np.ndarray:
        """Return the record without what a network removed at the canonical sampling.

        Args:
            record: the record that `apply` was given, (trace, time).
            removed: what goes, (trace, canonical time). Where it is zero and `drop_high` is false,
                the result is the record bit for bit.

        Returns:
            (trace, time), in the unit of the record.
        """
        back = removed if self.factor == 1 else resample(removed, self.samples)
        signal: np.ndarray = record - back
        if self.drop_high:
            signal = signal - _above(record, self.length)
        return signal


def resample(record: np.ndarray, n: int) -> np.ndarray:
    """Resample along time by a cosine transform, which needs no periodic continuation.

    Going to more samples and back is exact up to rounding. Going to fewer samples and back gives
    the part of the record below the new Nyquist frequency.

    Args:
        record: (trace, time), any unit.
        n: the new number of samples, at least 1.

    Returns:
        (trace, n), in the unit of the record.

    Example:
        >>> import numpy as np
        >>> record = np.random.default_rng(0).standard_normal((2, 50))
        >>> bool(np.allclose(resample(resample(record, 71), 50), record))
        True
    """
    m = record.shape[1]
    coefficients = fft.dct(record, norm="ortho", axis=1)[:, :n]
    padded = np.pad(coefficients, ((0, 0), (0, max(0, n - m))))
    back: np.ndarray = fft.idct(padded, norm="ortho", axis=1)
    # The orthonormal transform keeps the energy of m samples, which now lies in n.
    back *= (n / m) ** 0.5
    return back


def dominant_period(record: np.ndarray) -> float:
    """Return the dominant period of what neighbouring traces share, samples.

    Only the strongest lobe of the spectrum counts, so that noise of another band does not shift the
    result. A common mode is left out of the estimate if coherent energy remains without it; the
    record itself keeps it.

    Args:
        record: (trace, time), any unit; finite.

    Returns:
        A period between 2 and 425 samples; `CANONICAL_PERIOD` if the record has no spectrum.
    """
    return _centre(without_common_mode(_level(_few_traces(np.asarray(record, np.float64)))))


def without_common_mode(record: np.ndarray) -> np.ndarray:
    """Return a record without its median trace if coherent energy remains; otherwise as it is.

    Args:
        record: (trace, time), any unit.
    """
    if len(record) >= 12:
        residual: np.ndarray = record - np.median(record, axis=0)
        if _coherent_energy(residual) > 0.2 * _coherent_energy(record):
            return residual
    return record


def plan(record: np.ndarray, *, domain: Domain = "shot", period: float | None = None) -> Plan:
    """Choose the canonical sampling of a record.

    In `shot` and `stack` records the energy above 2.3 dominant frequencies goes if it is noise: if
    it is more than a tenth of all, or more than 3 % and incoherent. In `das` records it stays,
    since events on a fibre are wide in band, and the canonical Nyquist frequency lies above the
    strongest lobe of what neighbours share. `station` records are not resampled at all.

    Args:
        record: (trace, time), any unit; finite.
        domain: the kind of record.
        period: the dominant period, samples; by default it is estimated.

    Returns:
        The plan; its factor is 1 where the period suits the network already.
    """
    n = record.shape[1]
    p = dominant_period(record) if period is None else period
    if domain == "station":
        return Plan(p, 1.0, False, n)
    x = _level(np.asarray(record, np.float64))
    high = _share_above(x, TOP / p)
    low, top = BAND
    if p < SHORTEST or (p < low and high < SOME_SHARE):
        return Plan(p, CANONICAL_PERIOD / p, False, n)
    if p > top:
        factor = CANONICAL_PERIOD / p
        if domain == "das":
            # The canonical Nyquist frequency is factor / 2 cycles per sample of the record.
            factor = min(1.0, max(factor, 2 * _upper_end(_few_traces(x))))
        high_part = _above(x, max(1, round(n * factor)))
        noise = np.square(high_part).sum() > TRACE_SHARE * np.square(x).sum()
        return Plan(p, factor, bool(noise), n)
    if domain == "das" or not _is_noise(x, TOP / p, high):
        return Plan(p, 1.0, False, n)
    return Plan(p, max(2 * TOP, min(CANONICAL_PERIOD, p - 4)) / p, True, n)


def _centre(x: np.ndarray) -> float:
    """Return the period at the centre of the strongest lobe."""
    power, f = coherent_spectrum(x)
    if not power.max() > 0:
        return CANONICAL_PERIOD
    lobe = _lobe(power, 0.15)
    centre = float((power[lobe] * f[lobe]).sum() / max(power[lobe].sum(), 1e-30))
    # A wavelet's spectrum leans to high frequencies: its centre lies 6 % above its peak.
    return 1.06 / max(centre, 1 / LONGEST_PERIOD)


def _lobe(power: np.ndarray, level: float) -> slice:
    """Return the strongest lobe of a spectrum, down to a share of its peak."""
    smooth = nd.uniform_filter1d(power, 15)
    inside = smooth > level * smooth.max()
    peak = int(smooth.argmax())
    below, above = np.flatnonzero(~inside[:peak]), np.flatnonzero(~inside[peak:])
    first = int(below[-1]) + 1 if len(below) else 0
    return slice(first, peak + int(above[0]) if len(above) else len(power))


def _upper_end(x: np.ndarray) -> float:
    """Return where the strongest lobe of the shared power ends, cycles per sample."""
    power, f = coherent_spectrum(x)
    return float(f[_lobe(power, FOOT).stop - 1]) if power.max() > 0 else 0.5


def _few_traces(x: np.ndarray) -> np.ndarray:
    """Return one run of neighbouring traces from the middle; all if they are few."""
    first = max(0, (len(x) - TRACES) // 2)
    return x[first : first + TRACES]


def _level(x: np.ndarray) -> np.ndarray:
    """Return the record without offset and linear drift of each trace, of unit deviation.

    Both come from the medians of the two halves of a trace. A line through all samples would follow
    strong arrivals, and bring a ramp into parts that are quiet or muted.
    """
    half = x.shape[1] // 2
    first, second = (np.median(part, axis=1)[:, None] for part in (x[:, :half], x[:, half:]))
    time = (np.arange(x.shape[1]) - (x.shape[1] - 1) / 2) / max(x.shape[1] / 2, 1)
    level: np.ndarray = x - (first + second) / 2 - (second - first) * time
    return level / (level.std() or 1.0)


def _coherent_energy(x: np.ndarray) -> float:
    return float(np.square(x).sum()) * max(local_coherence(x) - 0.2, 0.0)


def _is_noise(x: np.ndarray, cut: float, share: float) -> bool:
    """Return whether the energy above a frequency, cycles per sample, is noise."""
    if cut >= 0.48:
        return False
    if share > NOISE_SHARE or share <= SOME_SHARE:
        return share > NOISE_SHARE
    return local_coherence(_above(x, max(1, round(2 * cut * x.shape[1])))) < COHERENT


def _share_above(x: np.ndarray, cut: float) -> float:
    power = np.square(np.abs(fft.rfft(x)))
    return float(power[:, fft.rfftfreq(x.shape[1]) > cut].sum() / max(power.sum(), 1e-30))


def _above(x: np.ndarray, n: int) -> np.ndarray:
    """Return what a record loses when it is resampled to `n` samples and back."""
    return np.zeros_like(x) if n >= x.shape[1] else x - resample(resample(x, n), x.shape[1])
