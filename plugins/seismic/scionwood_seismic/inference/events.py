"""Events of known amplitude that the harm gate adds to a record, in five kinds.

An event has the wavelet of what is coherent in the record. Its kind says what it follows: the
record's own slope, a diffraction, a slope against the own one, a fault, or a steep slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from scipy import ndimage as nd

from scionwood_seismic.inference.beams import Beams
from scionwood_seismic.synth.canonical import CANONICAL_PERIOD

KINDS = ("own", "diffraction", "conflict", "fault", "steep")

STRONG, WEAK = (4.0, 4.0), (1.0, 1.5)
"""Peak amplitudes of events over the local RMS of the record, from and to."""

WINDOW = 64, 128
"""Traces and canonical samples of the window of an event."""

FLOOR = 0.02  # of the RMS of the record, the smallest local RMS
NEAR = 12  # traces on each side of a fault that an event crosses
WIDE = 14.0  # traces, the standard deviation of a diffraction
ENDS = 3.0  # periods on each side of the peak of a wavelet
TIMES = np.linspace(-ENDS, ENDS, int(8 * ENDS * CANONICAL_PERIOD) + 1)
FLAT = 0.02  # periods per trace, below which a slope has no sign


@final
@dataclass(frozen=True)
class Event:
    """An event in a window of a record.

    Attributes:
        kind: such as `strong steep`.
        rows: the traces of the window.
        columns: its samples.
        wave: (trace, time) float32, in the unit of the record.
        across: by how many samples the event is later in the next slice of a volume.
    """

    kind: str
    rows: slice
    columns: slice
    wave: np.ndarray
    across: int = 0


class Source(Protocol):
    """What draws the events of a record.

    Attributes:
        kinds: their names.
        window: traces and samples of the window of an event, in those of the record.
    """

    kinds: tuple[str, ...]
    window: tuple[int, int]

    def draw(
        self, kind: str, corner: tuple[int, int], centre: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, int]:
        """Return an event of unit amplitude in units of the local RMS, and its `across`.

        Args:
            kind: one of `kinds`.
            corner: of its window.
            centre: its time in the window, as a share of the length.
            rng: the source of random numbers.
        """
        ...


@final
class GatherEvents:
    """Draw the events of a gather or a section.

    Args:
        record: (trace, time), any unit; dead traces are zero.
        beams: what is coherent in it.
        lowest: cycles per period, below which events have no power: slow waves are taken out there.
    """

    kinds: tuple[str, ...] = KINDS

    def __init__(self, record: np.ndarray, beams: Beams, *, lowest: float = 0.0) -> None:
        self.beams, self.period = beams, beams.period
        length = round(WINDOW[1] * self.period / CANONICAL_PERIOD)
        self.window = min(WINDOW[0], record.shape[0]), min(length, record.shape[1])
        self._level = local_rms(record, (25, int(6 * self.period)))
        # Events in the band of the beams alone do not see what a filter cuts outside of it.
        near = np.exp(-8 * (beams.frequency - 1) ** 2)
        powers = [power * (beams.frequency >= lowest) for power in (beams.power, near)]
        self._wavelets = [wavelet(beams, power) for power in powers if power.any()]

    def draw(
        self, kind: str, corner: tuple[int, int], centre: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, int]:
        """See `Source.draw`."""
        traces, samples = self.window
        at, size, slope = self._path(kind, corner, rng)
        time = (np.arange(samples) - centre * samples) / self.period - at[:, None]
        pulse = self._wavelets[rng.integers(len(self._wavelets))]
        wave = np.interp(time, TIMES, pulse, 0, 0) * size[:, None]
        wave *= self._level[corner[0] : corner[0] + traces, corner[1] : corner[1] + samples]
        return wave, round(slope * self.period * rng.uniform(-1, 1))

    def _path(
        self, kind: str, corner: tuple[int, int], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the times at the traces, periods, the amplitudes there, and the slope."""
        traces = self.window[0]
        x = np.arange(traces) - rng.uniform(0.25, 0.75) * traces
        slope, sign = self._slope(corner), rng.choice((-1, 1))
        size = np.full(traces, float(rng.choice((-1, 1))))
        if kind == "diffraction":
            depth, flank = rng.uniform(3, 12), rng.uniform(0.3, 0.48)
            at = np.sqrt(depth**2 + (x * flank) ** 2) - depth
            return at, size * np.exp(-((x / WIDE) ** 2) / 2), 0.0
        if kind == "fault":
            size *= np.abs(x) < NEAR
            return slope * x + np.where(x > 0, rng.uniform(0.5, 1.0), 0.0), size, slope
        if kind == "conflict":
            against = -np.sign(slope) if abs(slope) > FLAT else sign
            slope = against * rng.uniform(0.12, 0.3)
        if kind == "steep":
            slope = sign * rng.uniform(0.3, 0.42)
        return slope * x, size, slope

    def _slope(self, corner: tuple[int, int]) -> float:
        """Return the slope of the nearest coherent place, periods per trace."""
        centre = np.array(corner) + np.array(self.window) / 2
        distance = np.hypot(*((self.beams.places - centre) / (WINDOW[0] / 2, self.window[1])).T)
        return float(self.beams.slopes[distance.argmin()])


def wavelet(beams: Beams, power: np.ndarray) -> np.ndarray:
    """Return the zero-phase wavelet of a power at the frequencies of beams, with a peak of 1."""
    # A sum of cosines with the amplitude spectrum has zero phase: its peak is at 0. The taper ends
    # it at zero: a step would have energy at all frequencies.
    pulse = np.cos(2 * np.pi * TIMES[:, None] * beams.frequency) @ np.sqrt(power)
    pulse *= np.cos(np.pi / 2 * TIMES / ENDS) ** 2
    peaked: np.ndarray = pulse / np.abs(pulse).max()
    return peaked


def local_rms(record: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the RMS of each sample's surroundings, zero in dead traces, (trace, time).

    Args:
        record: (trace, time); dead traces are zero.
        size: traces and samples of the surroundings, made odd, and at most the record.
    """
    window = [min(n, length | 1) for n, length in zip(record.shape, size, strict=True)]
    square = np.square(record, dtype=np.float64)
    rms = np.sqrt(np.maximum(nd.uniform_filter(square, window), 0)) + FLOOR * square.mean() ** 0.5
    level: np.ndarray = rms * np.any(record, axis=1, keepdims=True)
    return level
