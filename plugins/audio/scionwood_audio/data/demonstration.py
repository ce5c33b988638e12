"""A recording with the songs of a bird that does not exist, which may be shipped and shared."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from scionwood.authoring import atomic_path, check_target, writing
from scionwood_audio.readers.selections import Selection, write_selections

RATE = 32_000
"""Samples a second: birds sing up to half of it."""

NOTES = ((4400.0, 4150.0, 0.11), (3250.0, 3000.0, 0.14))
"""The two notes of the song: Hz at the beginning, Hz at the end, and seconds."""

BAND = (2900.0, 4600.0)
GAP = 1.5
"""Least silence between two songs, s."""


class Demonstration(NamedTuple):
    """The files of a demonstration."""

    recording: Path
    examples: Path
    truth: Path


def write_demonstration(
    folder: str | Path,
    *,
    minutes: float = 2.0,
    level: float = 22.0,
    seed: int = 0,
    force: bool = False,
) -> Demonstration:
    """Write a made recording with songs at known times, and five of them as marked examples.

    A song repeats two notes that glide, each with harmonics. It reaches the microphone from 5 to
    40 m: its level falls with the distance, and echoes of leaves blur it. A trill of another bird,
    coos and wind are in the recording too. All of it is computed, so that it has no licence.

    Args:
        folder: where the three files are written.
        minutes: the length of the recording, with eight songs a minute.
        level: of the nearest songs above the noise of their band, in dB.
        seed: seed of all that is drawn.
        force: replace existing files.

    Units: the sound is mono at 32 kHz, 16 bits; times in seconds, frequencies in Hz.

    Raises:
        OutputExistsError: a file exists, and `force` is false.

    Example:
        >>> from scionwood_audio.data.demonstration import write_demonstration
        >>> from scionwood_audio.readers.selections import read_selections
        >>> made = write_demonstration("demo", minutes=1)
        >>> len(read_selections(made.examples)), len(read_selections(made.truth))
        (5, 8)
    """
    import soundfile

    seconds, songs = 60 * minutes, round(8 * minutes)
    place = Path(folder)
    files = Demonstration(place / "morning.wav", place / "five.txt", place / "all.txt")
    for path in files:
        check_target(path, overwrite=force)
    samples, calls = morning(seconds, songs, level, np.random.default_rng(seed))
    with writing(files.recording), atomic_path(files.recording, overwrite=force) as part:
        soundfile.write(str(part), samples, RATE, "PCM_16", format="WAV")
    marked = sorted(np.random.default_rng([seed, 1]).choice(songs, min(5, songs), replace=False))
    write_selections(files.examples, [calls[number] for number in marked], force=force)
    write_selections(files.truth, calls, force=force)
    return files


def morning(
    seconds: float, songs: int, level: float, rng: np.random.Generator
) -> tuple[np.ndarray, list[Selection]]:
    """Return a made recording, (time,) within -1 and 1, and its songs."""
    total = round(seconds * RATE)
    noise = _wind(total, rng)
    # The level of the noise in the band of the song, from which that of the songs follows.
    spectrum = np.fft.rfft(noise[: 30 * RATE])
    at = np.fft.rfftfreq(min(total, 30 * RATE), 1 / RATE)
    spectrum[(at < BAND[0]) | (at > BAND[1])] = 0
    quiet = float(np.fft.irfft(spectrum).std())
    samples, calls = noise, []
    slot = seconds / songs
    for number in range(songs):
        near = rng.uniform(5, 40)
        song = _echoed(_song(rng), near, rng)
        length = len(song) / RATE
        start = number * slot + rng.uniform(0, max(slot - GAP - length, 0.01))
        loud = quiet * 10 ** (level / 20) * np.sqrt(2) * (5 / near) ** 0.5
        _add(samples, song * loud / np.abs(song).max(), start)
        calls.append(Selection(round(start, 3), round(start + length, 3), "two notes", *BAND))
    for _ in range(songs):  # what must not be found
        if rng.random() < 0.5:  # a trill, or coos
            note, pause, repeats = _note(6200.0, 5200.0, 0.03), 0.02, int(rng.integers(15, 40))
        else:
            note, pause, repeats = _note(480.0, 440.0, rng.uniform(0.3, 0.5)), 0.2, 3
        other = np.tile(np.append(note, np.zeros(round(pause * RATE))), repeats)
        other = _echoed(other, rng.uniform(5, 40), rng)
        loud = quiet * 10 ** (level / 20) * 1.5 / np.abs(other).max()
        _add(samples, other * loud, rng.uniform(0, seconds - len(other) / RATE))
    return 0.5 * samples / np.abs(samples).max(), calls


def _song(rng: np.random.Generator) -> np.ndarray:
    pitch = rng.uniform(0.97, 1.03)
    gap = np.zeros(round(0.05 * RATE))
    notes = [_note(pitch * a, pitch * b, s * rng.uniform(0.95, 1.05)) for a, b, s in NOTES]
    motif = np.concatenate([notes[0], gap, notes[1], gap])
    return np.tile(motif, int(rng.integers(4, 7)))  # great tits repeat two notes so


def _note(first: float, last: float, seconds: float) -> np.ndarray:
    """Return a note that glides, with two harmonics below half of the rate, and soft ends."""
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * (first * time + (last - first) / (2 * seconds) * time**2)
    note = sum(
        strength * np.sin((harmonic + 1) * phase)
        for harmonic, strength in enumerate((1.0, 0.15, 0.05))
        if (harmonic + 1) * max(first, last) < RATE / 2
    )
    return np.asarray(note * np.sin(np.pi * time / seconds) ** 0.5)


def _echoed(sound: np.ndarray, metres: float, rng: np.random.Generator) -> np.ndarray:
    """Return a sound with the echoes of a wood, which weigh more from far away."""
    decay = 0.12  # seconds to 1/e of the amplitude: a reverberation time of 0.8 s
    tail = rng.normal(0, 1, round(3 * decay * RATE))
    tail *= np.exp(-np.arange(len(tail)) / (decay * RATE))
    tail *= 0.1 * metres / 40 / np.sqrt(np.square(tail).sum())
    tail[0] += 1
    size = len(sound) + len(tail) - 1
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)
    return wet[: len(sound) + round(0.1 * RATE)]


def _wind(total: int, rng: np.random.Generator) -> np.ndarray:
    """Return noise whose power falls as 1/f, as that of wind in leaves, with slow gusts."""
    spectrum = np.fft.rfft(rng.normal(0, 1, total))
    at = np.fft.rfftfreq(total, 1 / RATE)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(at, 50.0)), total)
    knots = rng.uniform(0.7, 1.3, 2 + total // (4 * RATE))
    gusts = np.interp(np.arange(total), np.linspace(0, total, len(knots)), knots)
    return np.asarray(noise / noise.std() * gusts)


def _add(samples: np.ndarray, sound: np.ndarray, start: float) -> None:
    first = round(start * RATE)
    samples[first : first + len(sound)] += sound[: len(samples) - first]
