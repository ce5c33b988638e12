"""Scenes: calls and other sounds, placed in backgrounds, with the truth of every position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scionwood_audio.model.mel import FRAME, RATE

FOLDS = 5
"""Folds of the examples: five examples are held out one at a time."""

LEVEL = 0.05
"""Root mean square of a background; full scale is 1."""

SHARE = 0.45
"""Share of the placed sounds that are calls."""

GAPS = (0.3, 1.6)
"""Seconds between two placed sounds."""


UNKNOWN = -1.0
"""Target of a position of which nothing is known."""


class Place(NamedTuple):
    """A marked call where it was recorded.

    Attributes:
        samples: (time,) float32 at 16 kHz, the call with some seconds on both sides.
        target: (position,) 1 where it is, 0 within two seconds of it, -1 where nothing is known.
        call: where the call is in the samples.
    """

    samples: np.ndarray
    target: np.ndarray
    call: slice


@dataclass(frozen=True)
class Parts:
    """The sounds of scenes, each (time,) float32 at 16 kHz.

    Attributes:
        calls: what is to be found.
        others: sounds like a call that are none; may be empty.
        backgrounds: what sounds all the time.
        places: the calls in their recording; empty if nothing surrounds them.
    """

    calls: Sequence[np.ndarray]
    others: Sequence[np.ndarray]
    backgrounds: Sequence[np.ndarray]
    places: Sequence[Place] = ()

    def fold(self, number: int, folds: int, *, without: bool = False) -> Parts:
        """Return every `folds`-th part from `number` on, or all but those.

        Of fewer parts than folds, several folds share one. A single part is in every fold.
        """

        def part_of(parts: Sequence[np.ndarray]) -> list[np.ndarray]:
            count = min(folds, len(parts))
            if count < 2:
                return list(parts)
            chosen = number % count
            return [p for at, p in enumerate(parts) if (at % count == chosen) != without]

        return Parts(part_of(self.calls), part_of(self.others), part_of(self.backgrounds))


class Scene(NamedTuple):
    """A composed recording.

    Attributes:
        samples: (time,) float32 at 16 kHz.
        frames: (position,) float32 of 20 ms, 1 where a call is.
        events: the beginning and the end of each call in seconds.
    """

    samples: np.ndarray
    frames: np.ndarray
    events: list[tuple[float, float]]


def compose(
    parts: Parts,
    seconds: float,
    rng: np.random.Generator,
    levels: tuple[float, float] = (-5.0, 10.0),
    vary: float = 0.0,
) -> Scene:
    """Place calls and other sounds one after another in a background."""
    total = round(seconds * RATE)
    background = parts.backgrounds[int(rng.integers(len(parts.backgrounds)))]
    samples = np.resize(np.roll(background, -int(rng.integers(len(background)))), total)
    samples = (samples * (LEVEL / rms(samples))).astype(np.float32)
    frames, events = np.zeros(total // FRAME, np.float32), []
    # The first sound may have begun before the scene, as in a window of a longer recording.
    place = round(RATE * rng.uniform(-1.0, 1.0))
    while place < total:
        is_call = not parts.others or rng.random() < SHARE
        kind = parts.calls if is_call else parts.others
        sound = kind[int(rng.integers(len(kind)))]
        if is_call and vary:
            sound = _at_speed(sound, 1 + rng.uniform(-vary, vary))
        gain = LEVEL * 10 ** (rng.uniform(*levels) / 20) / rms(sound)
        start, end = max(place, 0), min(place + len(sound), total)
        if end > start:
            samples[start:end] += gain * sound[start - place : end - place]
            if is_call:
                frames[start // FRAME : -(-end // FRAME)] = 1
                events.append((start / RATE, end / RATE))
        place += len(sound) + round(RATE * rng.uniform(*GAPS))
    return Scene(samples, frames, events)


def rms(samples: np.ndarray) -> float:
    """Return the root mean square, never zero."""
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean())) + 1e-9


def _at_speed(sound: np.ndarray, speed: float) -> np.ndarray:
    places = np.arange(0, len(sound) - 1, speed)
    changed: np.ndarray = np.interp(places, np.arange(len(sound)), sound).astype(np.float32)
    return changed


def shaped_noise(power: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Return noise with a spectrum, (time,) float32 at 16 kHz, of level 0.05.

    Args:
        power: (frequency,) power from 0 to 8 kHz, evenly spaced.
        seconds: its length.
        rng: draws the noise.
    """
    total = round(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal(total))
    places = np.linspace(0, 1, len(spectrum)), np.linspace(0, 1, len(power))
    noise = np.fft.irfft(spectrum * np.sqrt(np.interp(places[0], places[1], power)), total)
    scaled: np.ndarray = (noise * (LEVEL / rms(noise))).astype(np.float32)
    return scaled


def made_backgrounds(rng: np.random.Generator, seconds: float = 20.0) -> list[np.ndarray]:
    """Return backgrounds made by us: white, pink and brown noise, a hum, and rain."""
    frequency = np.linspace(0, RATE / 2, 1025)
    slopes = [1 / np.maximum(frequency, 60.0) ** slope for slope in (0.0, 1.0, 2.0)]
    noises = [shaped_noise(slope, seconds, rng) for slope in slopes]
    time = np.arange(round(seconds * RATE)) / RATE
    tones = [np.sin(2 * np.pi * 100 * n * time + n) / n for n in range(1, 9)]
    hum = np.sum(tones, 0)
    drops = (rng.random(len(time)) < 30 / RATE) * rng.exponential(1.0, len(time))
    drop = np.exp(-np.arange(160) / 30) * rng.standard_normal(160)
    rain = np.convolve(drops, drop, "same")
    loud = [LEVEL * hum / rms(hum) + 0.3 * noises[1], LEVEL * rain / rms(rain) + 0.3 * noises[0]]
    return noises + [sound.astype(np.float32) for sound in loud]


def made_sounds(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """Return sounds made by us that stand for other animals: sweeps, stacks, trills and bursts."""
    return [_one_sound(rng) for _ in range(n)]


def made_calls(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """Return calls of one kind made by us: three falling whistles of two notes each.

    Rhythm, pitch and length vary by some percent, as the songs of one bird do.
    """
    calls = []
    for _ in range(n):
        pitch, note = 3600 * rng.uniform(0.95, 1.05), 0.12 * rng.uniform(0.9, 1.1)
        pause = np.zeros(round(0.04 * RATE), np.float32)
        pair = [_tone(pitch, 0.95 * pitch, note), pause, _tone(0.72 * pitch, 0.7 * pitch, note)]
        calls.append(np.concatenate([*pair, pause, *pair, pause, *pair]))
    return calls


def _one_sound(rng: np.random.Generator) -> np.ndarray:
    length, low = rng.uniform(0.15, 1.2), rng.uniform(300, 5000)
    high = min(low * rng.uniform(0.5, 2.0), 7500.0)
    kind = rng.integers(4)
    if kind == 0:
        return _tone(low, high, length)
    if kind == 1:  # a harmonic stack, as mammals have
        stack = sum(_tone(n * low / 4, n * high / 4, length) / n for n in range(1, 7))
        return np.asarray(stack, np.float32)
    if kind == 2:  # a trill of short sweeps
        note = _tone(low, high, rng.uniform(0.03, 0.1))
        pause = np.zeros(round(RATE * rng.uniform(0.02, 0.08)), np.float32)
        return np.concatenate([note, pause] * max(2, round(length / 0.12)))
    burst = rng.standard_normal(round(RATE * length)).astype(np.float32)
    return burst * np.hanning(len(burst)).astype(np.float32)


def _tone(first: float, last: float, seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * (first * time + (last - first) * time**2 / (2 * seconds))
    return (np.sin(phase) * np.hanning(len(time))).astype(np.float32)
