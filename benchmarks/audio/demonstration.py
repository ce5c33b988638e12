"""Make the demonstration that the plugin `audio` carries: a recording, its tables, and a run.

    python benchmarks/audio/demonstration.py

The recording is made: two minutes with 16 songs of a bird that does not exist, at 5 to 40 m, with a
trill of another bird, coos and wind. A song repeats two notes that glide, each with harmonics; its
level falls with the distance, and echoes of leaves blur it. It is stored as OGG at 16 kHz. The run
is LoRA on Whisper tiny.en, read at layer 2, trained on the five marked songs, with its threshold.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import soundfile
import soxr

from scionwood.authoring import ship
from scionwood_audio.data.demonstration import FOLDER, LOUD, write_demonstration
from scionwood_audio.data.parts import read_parts
from scionwood_audio.evaluation.scores import score_events
from scionwood_audio.inference.adapting import applied, write_events
from scionwood_audio.inference.events import Shape
from scionwood_audio.inference.finding import search
from scionwood_audio.readers.selections import Selection, read_selections, write_selections
from scionwood_audio.verbs.options import FindOptions

RATE = 32_000
NOTES = ((4400.0, 4150.0, 0.11), (3250.0, 3000.0, 0.14))
"""The two notes of the song: Hz at the beginning, Hz at the end, and seconds."""

BAND = (2900.0, 4600.0)
GAP = 1.5
"""Least silence between two songs, s."""


def morning(
    seconds: float, songs: int, level: float, rng: np.random.Generator
) -> tuple[np.ndarray, list[Selection]]:
    """Return a made recording, (time,) within -1 and 1, and its songs."""
    total = round(seconds * RATE)
    # The power of wind in leaves falls as 1/f, with slow gusts.
    spectrum = np.fft.rfft(rng.normal(0, 1, total))
    at = np.maximum(np.fft.rfftfreq(total, 1 / RATE), 50.0)
    noise = np.fft.irfft(spectrum / np.sqrt(at), total)
    knots = rng.uniform(0.7, 1.3, 2 + total // (4 * RATE))
    noise *= np.interp(np.arange(total), np.linspace(0, total, len(knots)), knots) / noise.std()
    # The level of the noise in the band of the song, from which that of the songs follows.
    spectrum = np.fft.rfft(noise[: 30 * RATE])
    at = np.fft.rfftfreq(min(total, 30 * RATE), 1 / RATE)
    spectrum[(at < BAND[0]) | (at > BAND[1])] = 0
    quiet = float(np.fft.irfft(spectrum).std())
    samples, calls = noise, []
    for number in range(songs):
        near = rng.uniform(5, 40)
        song = _echoed(_song(rng), near, rng)
        length = len(song) / RATE
        start = number * seconds / songs
        start += rng.uniform(0, max(seconds / songs - GAP - length, 0.01))
        loud = quiet * 10 ** (level / 20) * np.sqrt(2) * (5 / near) ** 0.5
        first = round(start * RATE)
        part = song[: total - first] * loud / np.abs(song).max()
        samples[first : first + len(part)] += part
        calls.append(Selection(round(start, 3), round(start + length, 3), "two notes", *BAND))
    for _ in range(songs):  # what must not be found
        if rng.random() < 0.5:  # a trill, or coos
            note, pause, repeats = _note(6200.0, 5200.0, 0.03), 0.02, int(rng.integers(15, 40))
        else:
            note, pause, repeats = _note(480.0, 440.0, rng.uniform(0.3, 0.5)), 0.2, 3
        other = np.tile(np.append(note, np.zeros(round(pause * RATE))), repeats)
        other = _echoed(other, rng.uniform(5, 40), rng)
        loud = quiet * 10 ** (level / 20) * 1.5 / np.abs(other).max()
        first = round(rng.uniform(0, seconds - len(other) / RATE) * RATE)
        samples[first : first + len(other)] += loud * other[: total - first]
    return 0.5 * samples / np.abs(samples).max(), calls


def _song(rng: np.random.Generator) -> np.ndarray:
    pitch = rng.uniform(0.97, 1.03)
    gap = np.zeros(round(0.05 * RATE))
    notes = [_note(pitch * a, pitch * b, s * rng.uniform(0.95, 1.05)) for a, b, s in NOTES]
    motif = np.concatenate([notes[0], gap, notes[1], gap])
    return np.tile(motif, int(rng.integers(4, 7)))  # great tits repeat two notes so


def _note(first: float, last: float, seconds: float) -> np.ndarray:
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


def write_recording() -> None:
    """Write the recording and its tables into the package."""
    samples, calls = morning(120.0, 16, LOUD, np.random.default_rng(0))
    heard = soxr.resample(samples, RATE, RATE // 2).astype(np.float32)
    options = {"format": "OGG", "subtype": "VORBIS", "compression_level": 0.6}
    with soundfile.SoundFile(FOLDER / "morning.ogg", "w", RATE // 2, 1, **options) as file:
        for start in range(0, len(heard), RATE):  # libsndfile fails on two minutes at once
            file.write(heard[start : start + RATE])
    marked = sorted(np.random.default_rng([0, 1]).choice(16, 5, replace=False))
    write_selections(FOLDER / "five.txt", [calls[number] for number in marked], force=True)
    write_selections(FOLDER / "all.txt", calls, force=True)


def score(run: Path) -> str:
    """Give the run its threshold, and find the songs of the recording by it."""
    options, marked = FindOptions(run=run), read_selections("demo/five.txt")
    shape = Shape.of([call.end - call.start for call in marked])
    result, shape, _ = applied(options, read_parts("demo/morning.wav", marked), shape)
    write_events(run, result, shape)
    found = search("demo/morning.wav", marked, options).selections
    rated = score_events(found, read_selections("demo/all.txt"))
    return f"{rated.right} of {rated.true} songs among {rated.events} found"


def main() -> None:
    write_recording()
    write_demonstration("demo", force=True)
    keys = ["backbone.weights=package", "backbone.read_layer=2", "data.held_folds=[]"]
    files = ["data.recording=demo/morning.wav", "data.selections=demo/five.txt"]
    origin = ship(
        "audio/find_five",
        FOLDER.parents[1] / "runs" / "two_notes",
        name="audio/two_notes",
        version=version("scionwood-audio"),
        scope="songs of two notes in a recording made here; no bird sings them",
        score=score,
        overrides=[*keys, *files],
    )
    print(origin)


if __name__ == "__main__":
    main()
