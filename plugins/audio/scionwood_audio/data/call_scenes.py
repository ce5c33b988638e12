"""Scenes: calls and other sounds, placed in backgrounds, with the truth of every position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    """A marked call where it was recorded, with some seconds on both sides.

    The samples are (time,) float32 at 16 kHz, and the target (position,) is 1 where the call is, 0
    within two seconds of it, and -1 where nothing is known.
    """

    samples: np.ndarray
    target: np.ndarray
    call: slice


@dataclass(frozen=True)
class Parts:
    """The sounds of scenes, each (time,) float32 at 16 kHz.

    Other sounds may be missing, and so are the places of calls that nothing surrounds.
    """

    calls: Sequence[np.ndarray]
    others: Sequence[np.ndarray]
    backgrounds: Sequence[np.ndarray]
    places: Sequence[Place] = ()

    def fold(self, numbers: Iterable[int], folds: int) -> Parts:
        """Return the parts of some of the folds, each part once.

        Of fewer parts than folds, several folds share one. A single part is in every fold.
        """

        def part_of(parts: Sequence[np.ndarray]) -> list[np.ndarray]:
            count = min(folds, len(parts))
            chosen = dict.fromkeys(number % count for number in numbers) if count > 1 else (0,)
            return [part for number in chosen for part in parts[number :: max(count, 1)]]

        numbers = sorted(numbers)
        return Parts(part_of(self.calls), part_of(self.others), part_of(self.backgrounds))


class Scene(NamedTuple):
    """A composed recording at 16 kHz; its target is 1 in the positions of 20 ms of a call.

    The events are the beginning and the end of each call in seconds.
    """

    samples: np.ndarray
    target: np.ndarray
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
    target, events = np.zeros(total // FRAME, np.float32), []
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
                target[start // FRAME : -(-end // FRAME)] = 1
                events.append((start / RATE, end / RATE))
        place += len(sound) + round(RATE * rng.uniform(*GAPS))
    return Scene(samples, target, events)


def rms(samples: np.ndarray) -> float:
    """Return the root mean square, never zero."""
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean())) + 1e-9


def _at_speed(sound: np.ndarray, speed: float) -> np.ndarray:
    places = np.arange(0, len(sound) - 1, speed)
    changed: np.ndarray = np.interp(places, np.arange(len(sound)), sound).astype(np.float32)
    return changed
