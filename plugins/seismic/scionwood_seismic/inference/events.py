"""Events of known amplitude that the harm gate adds to crops of a record.

An event has the record's own wavelet. It is flat, or it follows the slope of the record at a strong
place; it crosses all traces of the crop, or it is a patch of a few traces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import ndimage as nd

from scionwood_seismic.inference.wavelets import SHIFTS

KINDS = ("flat", "slope", "patch")
"""Across all traces and horizontal; across all traces along a slope; a patch along a slope."""

STRONG, WEAK = 4.0, 1.0
"""Peak amplitudes of events over the local RMS of the record."""

SPACING = 2.4  # periods between two events of a crop
PATCH = 6.0  # traces, the standard deviation of a patch
FLOOR = 0.02  # of the RMS of the record, the smallest local RMS
STEEPEST = 0.5  # periods per trace: a steeper event is aliased
SLOPES = 21  # that are tried at a place
PLACES = 5  # of a crop at which slopes are tried
COHERENT = 0.7  # of the highest semblance of all places, from which a slope is that of an event


@final
@dataclass(frozen=True)
class Events:
    """The events of some crops.

    Attributes:
        waves: (event, trace, time) float32, in the unit of the record.
        crop: the crop of each event, (event,).
        kind: the index in `names` of each event, (event,).
        strong: whether an event is strong, (event,); otherwise it is weak.
        names: the kinds.
        across: by how many samples each event is later in the next slice of a volume, (event,);
            None: it is not.
    """

    waves: np.ndarray
    crop: np.ndarray
    kind: np.ndarray
    strong: np.ndarray
    names: tuple[str, ...] = KINDS
    across: np.ndarray | None = None

    def summed(self, crops: int, place: int = 0) -> np.ndarray:
        """Return the sum of the events of each crop, (crop, trace, time) float32.

        Args:
            crops: the number of crops.
            place: the place of a slice of the volume; 0 is that of the record.
        """
        waves = self.waves
        if place and self.across is not None:
            waves = np.zeros_like(waves)
            for new, old, later in zip(waves, self.waves, place * self.across, strict=True):
                _shift(new, old, int(later))
        total = np.empty((crops, *waves.shape[1:]), np.float32)
        for crop in range(crops):  # much faster than np.add.at
            waves[self.crop == crop].sum(axis=0, out=total[crop])
        return total


def _shift(new: np.ndarray, old: np.ndarray, later: int) -> None:
    """Copy (trace, time) by some samples later; what comes from outside stays as it is."""
    n = old.shape[1] - abs(later)
    if n > 0:
        new[:, max(later, 0) :][:, :n] = old[:, max(-later, 0) :][:, :n]


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

    Every crop that has room for several events has a flat one. The other kinds take turns. The only
    crop of a small record has events of both levels, and its flat event is strong. In a volume an
    event dips across the slices by at most the slope that it has along them.

    Args:
        crops: (crop, trace, time) float32, any unit.
        masks: the same shape, 1 where there is data.
        wavelet: see `wavelets.wavelet_of`.
        period: the dominant period, samples.
        rms: the RMS of the whole record.
        rng: the source of random numbers.
    """
    count, traces, samples = crops.shape
    events_per_crop = max(1, int(samples / (SPACING * period) + 0.4))
    crop = np.repeat(np.arange(count), events_per_crop)
    slot = np.tile(np.arange(events_per_crop), count)
    strong = crop % 2 == 0 if count > 1 else slot % 2 == 0
    turn = 2 * int(rng.integers(6)) if count > 1 else 0
    kind = _kinds(slot, crop + turn, events_per_crop) if traces > 2 else np.zeros_like(crop)
    slope = np.where(kind == 0, 0.0, slopes_of(crops, period, rng)[crop])
    pivot = rng.integers(traces, size=len(crop))
    # The sub-sample position is random, so that events do not all peak on a sample.
    centre = (slot + 0.5) * samples / events_per_crop + rng.uniform(-0.15, 0.15, len(crop)) * period
    across = np.arange(traces) - pivot[:, None]
    at = centre[:, None] + slope[:, None] * across
    size = np.where(kind[:, None] == 2, np.exp(-((across / PATCH) ** 2) / 2), 1.0)
    size *= (rng.choice((-1, 1), len(crop)) * np.where(strong, STRONG, WEAK))[:, None]
    level = local_rms(crops, 6 * period) + FLOOR * rms
    waves = placed(at, size, wavelet, samples) * (level * masks)[crop]
    across = np.rint(slope * rng.uniform(-1, 1, len(crop)))
    return Events(waves.astype(np.float32), crop, kind, strong, across=across)


def placed(at: np.ndarray, size: np.ndarray, wavelet: np.ndarray, samples: int) -> np.ndarray:
    """Return events, (event, trace, time).

    Args:
        at: the time of each event at each trace, samples, (event, trace).
        size: its amplitude there.
        wavelet: see `wavelets.wavelet_of`.
        samples: samples of a trace.
    """
    width = wavelet.shape[1]
    half = width // 2 - 1
    floor = np.floor(at).astype(int)
    shift = np.minimum(((at - floor) * SHIFTS + 0.5).astype(int), SHIFTS - 1)
    # Room on both sides, so that a wavelet that begins outside of the record needs no case of its
    # own.
    padded = np.zeros((*at.shape, samples + 2 * width), np.float32)
    first = np.clip(floor - half + width, 0, samples + width)
    place = first[..., None] + np.arange(width)
    np.put_along_axis(padded, place, (wavelet[shift] * size[..., None]).astype(np.float32), -1)
    return padded[..., width : width + samples]


def slopes_of(crops: np.ndarray, period: float, rng: np.random.Generator) -> np.ndarray:
    """Return a slope of each crop, that of an event which it has, samples per trace, (crop,).

    Several strong places of each crop are looked at, and the most coherent one counts. A crop
    without a coherent place has the slope of another crop.

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
    # Draws from the cumulative sum: a place is as likely as its amplitude is large.
    targets = rng.random((count, PLACES)) * steps[:, -1:]
    flat = [
        np.searchsorted(row, target_row) for row, target_row in zip(steps, targets, strict=True)
    ]
    place = np.minimum(np.concatenate(flat), steps.shape[1] - 1)
    crop = np.repeat(np.arange(count), PLACES)
    trace, sample = np.unravel_index(place, inner.shape[1:])
    slope, semblance = _best_slopes(crops, crop, trace + half, sample + reach, half, reach, period)
    slope, semblance = slope.reshape(count, PLACES), semblance.reshape(count, PLACES)
    best = semblance.argmax(axis=1)[:, None]
    slopes = np.take_along_axis(slope, best, 1)[:, 0]
    # Not `>`: in crops of zeros alone no place is sure, and there is none to draw from.
    sure = np.take_along_axis(semblance, best, 1)[:, 0] >= COHERENT * semblance.max()
    slopes[~sure] = rng.choice(slopes[sure], int((~sure).sum()))
    return slopes


def _best_slopes(
    crops: np.ndarray,
    crop: np.ndarray,
    trace: np.ndarray,
    sample: np.ndarray,
    half: int,
    reach: int,
    period: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the slope with the highest semblance at each place, and that semblance."""
    # The cube makes the steps finest near a slope of zero.
    tried = np.linspace(-1, 1, SLOPES) ** 3 * STEEPEST * period
    across = np.arange(-half, half + 1)[:, None]
    rows = trace[:, None, None, None] + across
    columns = np.rint(
        sample[:, None, None, None] + np.arange(-reach, reach + 1) + tried[:, None, None] * across
    ).astype(int)
    inside = (columns >= 0) & (columns < crops.shape[2])
    columns = np.clip(columns, 0, crops.shape[2] - 1)
    picked = crops[crop[:, None, None, None], rows, columns] * inside
    # Semblance: the energy of the stack over that of its traces, 1 for equal traces.
    stacked = np.square(picked.sum(axis=2)).sum(axis=2)
    semblance = stacked / ((2 * half + 1) * np.square(picked).sum(axis=(2, 3)) + 1e-30)
    best = semblance.argmax(axis=1)
    return tried[best], semblance[np.arange(len(best)), best]


def _kinds(slot: np.ndarray, crop: np.ndarray, events_per_crop: int) -> np.ndarray:
    """Return the kind of each event: one flat event a crop, if it has several."""
    pair = crop // 2  # an even crop and the next one have the same kinds
    if events_per_crop == 1:
        return np.where(pair % 2 == 0, 0, 1 + pair // 2 % 2)
    return np.where((slot + pair) % events_per_crop == 0, 0, 1 + (slot + crop) % 2)


def local_rms(crops: np.ndarray, length: float) -> np.ndarray:
    """Return the RMS of each sample's surroundings, the shape of the crops.

    Args:
        crops: (crop, trace, time).
        length: samples of the surroundings, which have 25 traces.
    """
    _, traces, samples = crops.shape
    window = (1, min(traces, 25), min(samples, int(length) | 1))
    rms: np.ndarray = np.sqrt(np.maximum(nd.uniform_filter(np.square(crops), window), 0))
    return rms
