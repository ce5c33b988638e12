"""The band of the events of a record, and the wavelet that the harm gate gives its own events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import fft
from scipy import ndimage as nd

from scionwood_seismic.synth.canonical import Plan, coherent_spectrum, without_common_mode
from scionwood_seismic.synth.coherence import loud_spectrum

SHIFTS = 4  # positions of a wavelet between two samples
ENOUGH = 64  # traces that the wavelet is taken from
BAND = 0.1  # of the largest power, to which the band of an event reaches
FINER = 1.25  # by which the canonical samples of a record grow at a time
APART = 4  # the distance of the traces whose common power gives the wavelet

Band = tuple[np.ndarray, np.ndarray]
"""The power of a record, and its frequencies in cycles per sample."""


def band_of(record: np.ndarray) -> Band:
    """Return the power that the traces of a record share, down to a tenth of its peak.

    Neither a common mode counts nor what only a few neighbours share: both are noise of fibres, and
    may have another band than the events.

    Args:
        record: (trace, time), any unit.

    Returns:
        Power, and frequency in cycles per sample.
    """
    power, frequency = coherent_spectrum(_middle_traces(record), apart=APART)
    return _main_lobes(power, frequency)


def _middle_traces(record: np.ndarray) -> np.ndarray:
    """Return the middle traces of a record without their common mode."""
    first = max(0, (len(record) - ENOUGH) // 2)
    return without_common_mode(np.asarray(record[first : first + ENOUGH], np.float64))


def _main_lobes(power: np.ndarray, frequency: np.ndarray) -> Band:
    """Return the power down to a tenth of its peak, in a quarter of the steps."""
    smooth = nd.uniform_filter1d(power, 15)
    power = power * (smooth > BAND * smooth.max())
    power = power[: len(power) // 4 * 4].reshape(-1, 4).sum(axis=1)  # a short wavelet needs no more
    return power, frequency[2 : 4 * len(power) : 4]


def wavelet_of(band: Band, steps: Plan) -> tuple[np.ndarray, float]:
    """Return a zero-phase wavelet with the bandwidth of a record.

    Args:
        band: see `band_of`.
        steps: how the record goes to the canonical sampling.

    Returns:
        The wavelet at the canonical sampling with a peak of 1, at `SHIFTS` positions between
        samples, (shift, time); and the share of its energy above the canonical band.
    """
    power, frequency = band
    period = steps.period * steps.factor
    frequency = frequency / steps.factor  # cycles per canonical sample
    # Traces that share nothing: a band about the dominant period stands in.
    if not power.sum() > 0:
        power = np.exp(-8 * (frequency * period - 1) ** 2)
    inside = frequency <= 0.5
    half = int(min(255, 2 * period))
    shift = np.arange(SHIFTS)[:, None] / SHIFTS
    place = np.arange(2 * half + 2) - half - shift
    # A sum of cosines with the amplitude spectrum of the record has zero phase: its peak is at 0.
    size = np.sqrt(power[inside])
    pulse = np.cos(2 * np.pi * place[..., None] * frequency[inside]) @ size
    # The taper ends the wavelet at zero: a step would have energy at all frequencies.
    wavelet: np.ndarray = pulse * np.cos(np.pi / 2 * np.clip(place / (half + 1), -1, 1)) ** 2
    lost = float(power[~inside].sum() / power.sum())
    return wavelet / np.abs(wavelet[0]).max(), lost


def keeping_events(
    record: np.ndarray, band: Band, steps: Plan, max_loss: float
) -> tuple[Plan, Band]:
    """Return a plan with as many canonical samples as the band of the events of a record needs.

    If the band seems too wide for the plan, only that counts which loud parts of the record have
    beyond its quiet ones: noise that the channels of a fibre share is in all parts.

    Args:
        record: (trace, time), any unit.
        band: see `band_of`.
        steps: how the record goes to the canonical sampling.
        max_loss: the share of the energy of an event that may lie above the canonical band.

    Returns:
        The plan, and the band of the events.
    """
    if not steps.drop_high or wavelet_of(band, steps)[1] <= max_loss:
        return steps, band
    traces = _middle_traces(record)
    loud = loud_spectrum(traces, apart=APART) if len(traces) >= 5 + APART else None
    if loud is not None and loud.any():
        band = _main_lobes(loud, fft.rfftfreq(2 * len(loud) - 2))
    while steps.drop_high and wavelet_of(band, steps)[1] > max_loss:
        factor = FINER * steps.factor
        steps = replace(steps, factor=min(1.0, factor), drop_high=factor < 1)
    return steps, band
