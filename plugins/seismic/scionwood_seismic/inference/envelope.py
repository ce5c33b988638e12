"""Tests of a denoised record that need no injected events: the envelope of the harm gate.

They find what injected events may miss: records that no model is made for, and energy above the
band of the input. And they find lost signal, which goes back.
"""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy import ndimage as nd

from scionwood_seismic.synth.canonical import Domain

FEWEST = {"shot": 3, "stack": 3, "das": 3, "station": 1}
"""The least number of live traces by domain."""

SHORTEST = 32  # samples of a trace
FINEST, LONGEST = 2.5, 120.0  # samples of a dominant period that can be resampled
ACROSS = 9  # traces of a window in which two parts of a record are compared
CYCLES = 2  # the least number of dominant periods in a trace
QUIET = 1e-3  # of the largest power: what is below lies outside the band
CLIPPED, LONG = 3, 10  # consecutive samples at the largest magnitude of a trace


def refusal(record: np.ndarray, alive: np.ndarray, domain: Domain) -> str:
    """Return why a record is outside of what the models of a domain are made for, or nothing.

    Args:
        record: (trace, time), any unit.
        alive: which traces are live, (trace,).
        domain: the kind of record.
    """
    count, fewest = int(alive.sum()), FEWEST[domain]
    if count == 0:
        return "no live trace"
    if count < fewest:
        return f"{count} live traces, and {domain} needs {fewest} neighbours or more"
    if domain == "station" and len(record) > 3:
        return f"{len(record)} traces, and station takes the 1 to 3 components of one station"
    if record.shape[1] < SHORTEST:
        return f"{record.shape[1]} samples a trace, and a model needs {SHORTEST}"
    cut = int(clipped(record[alive]).sum())
    if cut > count // 2:
        return f"{cut} of {count} live traces are clipped: their waveform is lost"
    return ""


def unresolved(period: float, samples: int) -> str:
    """Return why a dominant period cannot be treated, or nothing.

    Args:
        period: the dominant period, samples.
        samples: samples of a trace.
    """
    if FINEST <= period <= min(LONGEST, samples / CYCLES):
        return ""
    rule = (
        f"the models need {FINEST} to {LONGEST:.0f} samples a period and {CYCLES} periods a trace"
    )
    return f"its dominant period is {period:.1f} samples: {rule}"


def clipped(record: np.ndarray) -> np.ndarray:
    """Return which traces are clipped, (trace,) bool.

    A trace is clipped if its largest magnitude occurs in at least three consecutive samples at two
    places or more, or in ten consecutive samples at one.

    Args:
        record: (trace, time), finite.
    """
    size = np.abs(record)
    at_top = (size == size.max(axis=1, keepdims=True)) & (size > 0)
    # A run of three: each of three shifted copies is at the top.
    runs = np.ones_like(at_top[:, CLIPPED - 1 :])
    for shift in range(CLIPPED):
        runs &= at_top[:, shift : at_top.shape[1] - CLIPPED + 1 + shift]
    begins = runs[:, :1].sum(axis=1) + (runs[:, 1:] & ~runs[:, :-1]).sum(axis=1)
    # Ten in a row are eight overlapping runs of three.
    result: np.ndarray = (begins >= 2) | (runs.sum(axis=1) >= LONG - CLIPPED + 1)
    return result


def muted(record: np.ndarray, *, least: int = 8) -> np.ndarray:
    """Return which samples lie in runs of exact zeros, such as mutes and gaps, (trace, time) bool.

    Args:
        record: (trace, time).
        least: the shortest run.
    """
    zero = record == 0
    if not zero.any() or record.shape[1] < least:
        return np.zeros_like(zero)
    shape = (1, least)
    result: np.ndarray = nd.binary_opening(zero, np.ones(shape, bool))
    return result


def without_added(record: np.ndarray, removed: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a removal that adds no energy outside the band of a record, and the share it added.

    Outside the band, where the power of the record is below a thousandth of its largest value, the
    removal is scaled down until the result has no more power than the record.

    Args:
        record: (trace, time), any unit.
        removed: the same shape.

    Returns:
        The removal, and the energy that would have been added over that of the record.
    """
    spectrum, change = fft.rfft(record), fft.rfft(removed)
    before, gone, both = (
        nd.uniform_filter1d((one * other.conj()).real.sum(axis=0, dtype=np.float64), 9)
        for one, other in ((spectrum, spectrum), (change, change), (spectrum, change))
    )
    outside = (before < QUIET * before.max()) & (gone > 0)
    # The power of the result at a scale c is before - 2 c both + c^2 gone.
    largest = 2 * both[outside] / gone[outside]
    added = float(np.maximum(gone[outside] * (1 - largest), 0).sum() / max(before.sum(), 1e-300))
    if added <= 1e-9:  # rounding
        return removed, 0.0
    change[:, outside] *= np.clip(largest, 0, 1)
    in_band_change: np.ndarray = fft.irfft(change, record.shape[1]).astype(removed.dtype)
    return in_band_change, added


def window(shape: tuple[int, ...], period: float) -> tuple[int, int]:
    """Return traces and samples of a window with the area of 9 traces and two periods.

    A record of fewer traces has longer windows: in two periods of three traces, any two waves of
    that period are alike by chance.

    Args:
        shape: (trace, time) of the record.
        period: the dominant period, samples.
    """
    traces = min(ACROSS, shape[0])
    return traces, min(int(2 * period * ACROSS / traces) | 1, shape[1])


def resembling(record: np.ndarray, removed: np.ndarray, period: float) -> np.ndarray:
    """Return the part of a removal that resembles what is kept: most likely lost signal.

    In each window the removal is projected on the kept part. What chance explains, one standard
    deviation for noise of the dominant period, is taken off the factor, and at most the kept part
    itself is returned.

    Args:
        record: (trace, time), any unit.
        removed: the same shape.
        period: the dominant period, samples.

    Returns:
        The same shape; removing this much less brings events nearer to their amplitude.

    Source: Chen and Fomel, 2015, doi 10.1190/geo2014-0227.1, without their iteration.
    """
    signal = record - removed
    size = window(record.shape, period)
    both, one, other = (
        nd.uniform_filter(a * b, size)
        for a, b in ((signal, removed), (signal, signal), (removed, removed))
    )
    one = np.maximum(one, 1e-30)
    # Two independent samples for each period (Nyquist); the projection of noise on n of them has a
    # standard deviation of 1 / sqrt(n).
    independent = 2 * size[0] * size[1] / period  # samples of a window
    chance = np.sqrt(np.maximum(other, 0) / one / independent)
    lost: np.ndarray = np.clip(both / one - chance, 0, 1) * signal
    return lost
