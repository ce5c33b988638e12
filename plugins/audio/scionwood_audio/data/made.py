"""Sounds and pictures that this plugin makes, so that every recipe runs without a download."""

from __future__ import annotations

from typing import Any

import numpy as np

from scionwood_audio.model.mel import RATE

Array = np.ndarray
NAMES = ("rising", "falling", "steady", "trembling")
"""The kinds of tones, and of the patterns that belong to them."""


def tone(draw: np.random.Generator, kind: int, seconds: float) -> Array:
    """Return a tone that rises, falls, stays or trembles, (time,) float32."""
    time = np.arange(round(seconds * RATE)) / RATE
    pitch, speed = draw.uniform(500, 1500), draw.uniform(0.8, 1.6)
    sweep = 600 * speed * (time % 1.0 - 0.5)
    change = (sweep, -sweep, 0 * time, 300 * np.sin(2 * np.pi * 8 * speed * time))[kind]
    phase = 2 * np.pi * np.cumsum(pitch + change) / RATE
    wave = np.sin(phase) + 0.3 * np.sin(2 * phase)
    return (draw.uniform(0.1, 0.3) * wave).astype(np.float32)


def scene(draw: np.random.Generator, seconds: int, side: int) -> dict[str, Any]:
    """Return `samples`, `pictures`, `event` and `text` of a clip; see `Scenes`.

    In six of ten clips tone and pattern are of one kind; in others the pattern is another, or one
    of the two is missing. A second is an event if tone and pattern of one kind are there.
    """
    kind = int(draw.integers(len(NAMES)))
    other = int((kind + draw.integers(1, len(NAMES))) % len(NAMES))
    cases = ((kind, kind), (kind, other), (kind, None), (None, kind))
    heard, seen = cases[int(draw.choice(4, p=(0.6, 0.2, 0.1, 0.1)))]
    sound, sight = _span(draw, seconds), _span(draw, seconds)
    samples = (0.01 * draw.standard_normal(seconds * RATE)).astype(np.float32)
    pictures = draw.uniform(0, 0.3, (seconds, 3, side, side)).astype(np.float32)
    if heard is not None:
        first, last = sound
        samples[first * RATE : last * RATE] += tone(draw, heard, last - first)
    if seen is not None:
        for second in range(*sight):
            pictures[second] = np.maximum(pictures[second], _pattern(draw, seen, side))
    event = np.zeros(seconds, bool)
    event[max(sound[0], sight[0]) : min(sound[1], sight[1])] = heard == seen
    return {"samples": samples, "pictures": pictures, "event": event, "text": NAMES[kind]}


def _pattern(draw: np.random.Generator, kind: int, side: int) -> Array:
    """Return two diagonals, bars or checks in a colour, (3, side, side) float32 from 0 to 1."""
    row, column = np.mgrid[:side, :side] / side
    period, shift = draw.uniform(0.2, 0.4), draw.uniform(0, 1)
    wave = (row + column, row - column, row, row)[kind]
    shape = np.sin(2 * np.pi * (wave / period + shift))
    if NAMES[kind] == "trembling":
        shape = shape * np.sin(2 * np.pi * column / period)
    coloured: Array = (draw.uniform(0.4, 1.0, (3, 1, 1)) * (shape > 0)).astype(np.float32)
    return coloured


def _span(draw: np.random.Generator, seconds: int) -> tuple[int, int]:
    first = int(draw.integers(0, max(1, seconds - 1)))
    return first, int(draw.integers(first + 1, seconds + 1))
