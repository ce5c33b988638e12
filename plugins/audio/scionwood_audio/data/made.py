"""Sounds and pictures that this plugin makes, so that every recipe runs without a download."""

from __future__ import annotations

from typing import Any

import numpy as np

from scionwood_audio.data.call_scenes import FOLDS, LEVEL, Parts, rms
from scionwood_audio.model.mel import RATE

NAMES = ("rising", "falling", "steady", "trembling")
"""The kinds of tones, and of the patterns that belong to them."""


def made_parts(seed: int) -> Parts:
    """Return calls, other sounds and backgrounds that are all made here."""
    rng = np.random.default_rng(seed)
    return Parts(made_calls(rng, FOLDS), made_sounds(rng, 40), made_backgrounds(rng))


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
        pair = [_glide(pitch, 0.95 * pitch, note), pause, _glide(0.72 * pitch, 0.7 * pitch, note)]
        calls.append(np.concatenate([*pair, pause, *pair, pause, *pair]))
    return calls


def _one_sound(rng: np.random.Generator) -> np.ndarray:
    length, low = rng.uniform(0.15, 1.2), rng.uniform(300, 5000)
    high = min(low * rng.uniform(0.5, 2.0), 7500.0)
    kind = rng.integers(4)
    if kind == 0:
        return _glide(low, high, length)
    if kind == 1:  # a harmonic stack, as mammals have
        stack = sum(_glide(n * low / 4, n * high / 4, length) / n for n in range(1, 7))
        return np.asarray(stack, np.float32)
    if kind == 2:  # a trill of short sweeps
        note = _glide(low, high, rng.uniform(0.03, 0.1))
        pause = np.zeros(round(RATE * rng.uniform(0.02, 0.08)), np.float32)
        return np.concatenate([note, pause] * max(2, round(length / 0.12)))
    burst = rng.standard_normal(round(RATE * length)).astype(np.float32)
    return burst * np.hanning(len(burst)).astype(np.float32)


def _glide(first: float, last: float, seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * (first * time + (last - first) * time**2 / (2 * seconds))
    return (np.sin(phase) * np.hanning(len(time))).astype(np.float32)


def tone(draw: np.random.Generator, kind: int, seconds: float) -> np.ndarray:
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


def _pattern(draw: np.random.Generator, kind: int, side: int) -> np.ndarray:
    """Return two diagonals, bars or checks in a colour, (3, side, side) float32 from 0 to 1."""
    row, column = np.mgrid[:side, :side] / side
    period, shift = draw.uniform(0.2, 0.4), draw.uniform(0, 1)
    wave = (row + column, row - column, row, row)[kind]
    shape = np.sin(2 * np.pi * (wave / period + shift))
    if NAMES[kind] == "trembling":
        shape = shape * np.sin(2 * np.pi * column / period)
    coloured: np.ndarray = (draw.uniform(0.4, 1.0, (3, 1, 1)) * (shape > 0)).astype(np.float32)
    return coloured


def _span(draw: np.random.Generator, seconds: int) -> tuple[int, int]:
    first = int(draw.integers(0, max(1, seconds - 1)))
    return first, int(draw.integers(first + 1, seconds + 1))
