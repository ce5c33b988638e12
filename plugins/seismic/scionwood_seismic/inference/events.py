"""Events of known amplitude that the harm gate adds to crops of a record.

An event has the record's own wavelet. It is flat, or it follows the slope of the record at a strong
place; it crosses all traces of the crop, or it is a patch of a few traces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import fft
from scipy import ndimage as nd

from scionwood_seismic.synth.canonical import coherent_spectrum

KINDS = ("flat", "slope", "patch")
"""Across all traces and horizontal; across all traces along a slope; a patch along a slope."""

STRONG, WEAK = 4.0, 1.0
"""Peak amplitudes of events over the local RMS of the record."""

SPACING = 2.4  # periods between two events of a crop
PATCH = 6.0  # traces, the standard deviation of a patch
FLOOR = 0.02  # of the RMS of the record, the smallest local RMS
SHIFTS = 8  # positions of a wavelet between two samples
STEEPEST = 0.5  # periods per trace: a steeper event is aliased
SLOPES = 21  # that are tried at a place
ENOUGH = 64  # traces that the wavelet is taken from


@final
@dataclass(frozen=True)
class Events:
    """The events of some crops.

    Attributes:
        waves: (event, trace, time) float32, in the unit of the record.
        crop: the crop of each event, (event,).
        kind: the index in `KINDS` of each event, (event,).
        strong: whether an event is strong, (event,); otherwise it is weak.
    """

    waves: np.ndarray
    crop: np.ndarray
    kind: np.ndarray
    strong: np.ndarray

    def summed(self, crops: int) -> np.ndarray:
        """Return the sum of the events of each crop, (crop, trace, time) float32."""
        total = np.zeros((crops, *self.waves.shape[1:]), np.float32)
        np.add.at(total, self.crop, self.waves)
        return total


def draw(
    crops: np.ndarray,
    masks: np.ndarray,
    wavelet: np.ndarray,
    period: float,
    *,
    rms: float,
    rng: np.random.Generator,
) -> Events:
    """Draw the events of some crops: those of the even crops strong, those of the odd ones weak.

    Every crop has a flat event. The other kinds take turns.

    Args:
        crops: (crop, trace, time) float32, any unit.
        masks: the same shape, 1 where there is data.
        wavelet: see `wavelet_of`.
        period: the dominant period, samples.
        rms: the RMS of the whole record.
        rng: the source of random numbers.
    """
    count, traces, samples = crops.shape
    each = max(1, int(samples / (SPACING * period) + 0.4))
    crop = np.repeat(np.arange(count), each)
    slot = np.tile(np.arange(each), count)
    strong = crop % 2 == 0
    kind = _kinds(slot, crop + 2 * rng.integers(6), each) if traces > 2 else np.zeros_like(crop)
    slope = np.where(kind == 0, 0.0, slopes_of(crops, period, rng)[crop])
    pivot = rng.integers(traces, size=len(crop))
    # The sub-sample position is random, so that events do not all peak on a sample.
    centre = (slot + 0.5) * samples / each + rng.uniform(-0.15, 0.15, len(crop)) * period
    across = np.arange(traces) - pivot[:, None]
    at = centre[:, None] + slope[:, None] * across
    size = np.where(kind[:, None] == 2, np.exp(-((across / PATCH) ** 2) / 2), 1.0)
    size *= (rng.choice((-1, 1), len(crop)) * np.where(strong, STRONG, WEAK))[:, None]
    level = _local_rms(crops, period) + FLOOR * rms
    waves = placed(at, size, wavelet, samples) * (level * masks)[crop]
    return Events(waves.astype(np.float32), crop, kind, strong)


def wavelet_of(record: np.ndarray, period: float) -> np.ndarray:
    """Return a zero-phase wavelet with the bandwidth that neighbouring traces of a record share.

    Args:
        record: (trace, time), any unit.
        period: the dominant period, samples.

    Returns:
        (shift, time): the same wavelet with a peak of 1, at `SHIFTS` positions between samples.
    """
    first = max(0, (len(record) - ENOUGH) // 2)
    middle = np.asarray(record[first : first + ENOUGH], np.float64)
    power, frequency = coherent_spectrum(middle)
    size = np.sqrt(power)
    if not size.sum() > 0:
        size = np.exp(-4 * (frequency * period - 1) ** 2)
    half = int(min(255, 2 * period))
    shift = np.arange(SHIFTS)[:, None] / SHIFTS
    pulse = fft.irfft(size * np.exp(-2j * np.pi * frequency * shift), 2 * len(size) - 2)
    shifted = np.roll(pulse, half, axis=1)[:, : 2 * half + 2]
    place = (np.arange(2 * half + 2) - half - shift) / (half + 1)
    taper = np.cos(np.pi / 2 * np.clip(place, -1, 1)) ** 2
    wavelet: np.ndarray = shifted * taper
    return wavelet / np.abs(wavelet[0]).max()


def placed(at: np.ndarray, size: np.ndarray, wavelet: np.ndarray, samples: int) -> np.ndarray:
    """Return events, (event, trace, time).

    Args:
        at: the time of each event at each trace, samples, (event, trace).
        size: its amplitude there.
        wavelet: see `wavelet_of`.
        samples: samples of a trace.
    """
    width = wavelet.shape[1]
    half = width // 2 - 1
    whole = np.floor(at).astype(int)
    shift = np.minimum(((at - whole) * SHIFTS + 0.5).astype(int), SHIFTS - 1)
    padded = np.zeros((*at.shape, samples + 2 * width), np.float32)
    first = np.clip(whole - half + width, 0, samples + width)
    place = first[..., None] + np.arange(width)
    np.put_along_axis(padded, place, (wavelet[shift] * size[..., None]).astype(np.float32), -1)
    return padded[..., width : width + samples]


def slopes_of(crops: np.ndarray, period: float, rng: np.random.Generator) -> np.ndarray:
    """Return a slope of each crop at a strong place, by semblance, samples per trace, (crop,).

    Args:
        crops: (crop, trace, time).
        period: the dominant period, samples.
        rng: chooses the places, the stronger ones more often.
    """
    count, traces, samples = crops.shape
    half, reach = min(4, (traces - 1) // 2), min(int(0.75 * period), (samples - 1) // 2)
    if half < 1 or reach < 1:
        return np.zeros(count)
    energy = nd.uniform_filter(np.square(crops), (1, 2 * half + 1, 2 * reach + 1))
    inner = energy[:, half : traces - half, reach : samples - reach]
    steps = np.sqrt(np.maximum(inner, 0)).reshape(count, -1).astype(np.float64).cumsum(axis=1)
    wanted = rng.random(count) * steps[:, -1]
    flat = np.minimum((steps < wanted[:, None]).sum(axis=1), steps.shape[1] - 1)
    trace, sample = np.unravel_index(flat, inner.shape[1:])
    tried = np.linspace(-1, 1, SLOPES) ** 3 * STEEPEST * period
    rows = trace[:, None, None, None] + half + np.arange(-half, half + 1)[:, None]
    columns = np.rint(
        sample[:, None, None, None]
        + reach
        + np.arange(-reach, reach + 1)
        + tried[:, None, None] * np.arange(-half, half + 1)[:, None]
    ).astype(int)
    inside = (columns >= 0) & (columns < samples)
    picked = crops[np.arange(count)[:, None, None, None], rows, np.clip(columns, 0, samples - 1)]
    picked = picked * inside
    stacked = np.square(picked.sum(axis=2)).sum(axis=2)
    power = (2 * half + 1) * np.square(picked).sum(axis=(2, 3))
    best: np.ndarray = tried[(stacked / (power + 1e-30)).argmax(axis=1)]
    return best


def _kinds(slot: np.ndarray, crop: np.ndarray, each: int) -> np.ndarray:
    """Return the kind of each event: one flat event a crop, if it has several."""
    pair = crop // 2  # an even crop and the next one have the same kinds
    if each == 1:
        return np.where(pair % 2 == 0, 0, 1 + pair // 2 % 2)
    return np.where((slot + pair) % each == 0, 0, 1 + (slot + crop) % 2)


def _local_rms(crops: np.ndarray, period: float) -> np.ndarray:
    _, traces, samples = crops.shape
    window = (1, min(traces, 25), min(samples, int(6 * period) | 1))
    return np.sqrt(np.maximum(nd.uniform_filter(np.square(crops), window), 0))
