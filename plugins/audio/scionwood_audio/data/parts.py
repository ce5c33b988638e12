"""The parts of scenes from a user's files: marked calls, their background, and other recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from scionwood import ReadError, RecipeError
from scionwood_audio.data.call_scenes import UNKNOWN, Parts, Place
from scionwood_audio.data.made import made_backgrounds, made_sounds, shaped_noise
from scionwood_audio.errors import RateError
from scionwood_audio.inference.sounds import Channel, read_blocks, seconds_of
from scionwood_audio.model.mel import FRAME, RATE
from scionwood_audio.readers.selections import Selection, read_selections
from scionwood_audio.readers.sound import SoundReader

LONGEST = 300
"""Seconds of a background that are read; more would only be more of the same."""

BIN = 512
"""Samples of a spectrum of the background: bins of 31 Hz."""

MARGIN = 0.5
"""Seconds beside a selection that belong neither to the call nor to the background."""

SURROUNDINGS = 10.0
"""Seconds beside a call that tell the level of its background."""

FREE_OF_CALLS = 2.0
"""Seconds beside a call that are taken to hold no other one.

Farther away unmarked calls are likely, and a level that misses them would look the better for it.
"""


def marked_calls(
    examples: str | Path | Sequence[Selection], label: str | None = None
) -> list[Selection]:
    """Return the examples, those with a label only if one is given."""
    if isinstance(examples, str | Path):
        examples = read_selections(examples)
    return [call for call in examples if not label or call.label == label]


def check_examples(path: str | Path, selections: Sequence[Selection], expand: float = 1.0) -> None:
    """Check that marked calls of a recording can be heard by the network; see `read_parts`."""
    if len(selections) < 2:
        rule = "one example is held out while the others are learnt, so two are needed"
        raise RecipeError(f"{len(selections)} examples of {path}", rule, "Mark two or more; 5 help")
    seconds = seconds_of(path)
    for number, call in enumerate(selections, start=1):
        where = f"example {number}: {call.start:g} to {call.end:g} s"
        if not 0 <= call.start < call.end <= seconds + 0.01:
            rule = f"{path} lasts {seconds:.2f} s"
            raise ReadError(where, rule, "Give the recording in which the examples were marked")
        top = max(call.low or 0.0, call.high or 0.0) / expand
        # A box may reach beyond the call: what counts is whether its lower half is heard.
        middle = ((call.low or 0.0) + (call.high or 0.0)) / 2 / expand
        if middle > RATE / 2 or (call.low or 0.0) / expand >= RATE / 2:
            factor = int(-(-top * expand // (RATE / 2)))
            rule = f"a song at {top * expand / 1000:g} kHz is above the 8 kHz that are heard"
            raise RateError(where, rule, f"It needs expand={factor}")


def read_parts(
    recording: str | Path,
    selections: Sequence[Selection],
    *,
    backgrounds: Sequence[str | Path] = (),
    others: Sequence[str | Path] = (),
    assume_complete: bool = False,
    channel: Channel = "mean",
    expand: float = 1.0,
    seed: int = 0,
) -> Parts:
    """Return marked calls with what they are placed among.

    The rest of the recording may hold unmarked calls. It is a background only if the user says that
    all calls are marked. Else noise with its median spectrum stands for it, in which rare calls
    have no part. Where no other sounds are given, sounds made by us take their place.
    """
    check_examples(recording, selections, expand)
    places = _places(recording, selections, channel, expand)
    calls = [place.samples[place.call] for place in places]
    remainder, power = _surroundings(recording, selections, channel, expand)
    rng = np.random.default_rng(seed)
    surroundings = [shaped_noise(power, 20.0, rng) for _ in range(5)]
    if assume_complete and len(remainder):
        # Five, so that each fold of the examples has a background that the others do not hear.
        pieces = [piece for piece in np.array_split(remainder, 5) if len(piece) >= RATE]
        surroundings = pieces or [remainder]
    recorded = [_first(path, channel, expand) for path in sound_files(backgrounds)]
    sounds = [_first(path, channel, expand, 4) for path in sound_files(others)]
    noises = [] if recorded or assume_complete else made_backgrounds(rng)
    # Clips that are joined by silence have no place: nothing can be told from a call in silence.
    neighbourhoods = [p.samples[np.repeat(p.target == 0, FRAME)[: len(p.samples)]] for p in places]
    silent = not np.median(np.abs(np.concatenate([np.zeros(1), *neighbourhoods]))) > 0
    parts = Parts(calls, sounds or made_sounds(rng, 60), recorded + surroundings + noises)
    return replace(parts, places=[] if silent else places)


def read_spans(
    path: str | Path, spans: Sequence[tuple[float, float]], channel: Channel, expand: float
) -> list[np.ndarray]:
    """Return the samples at 16 kHz of spans in seconds, cut to the recording; read in blocks."""
    edges = [(max(round(a * expand * RATE), 0), round(b * expand * RATE)) for a, b in spans]
    cuts: list[list[np.ndarray]] = [[] for _ in spans]
    start, last = 0, max((end for _, end in edges), default=0)
    blocks = read_blocks(path, channel=channel, expand=expand)
    for block in blocks if spans else ():
        for cut, (first, end) in zip(cuts, edges, strict=True):
            cut.append(block[max(first - start, 0) : max(end - start, 0)])
        start += len(block)
        if start >= last:
            break
    return [np.concatenate(cut) for cut in cuts]


def _places(
    recording: str | Path, selections: Sequence[Selection], channel: Channel, expand: float
) -> list[Place]:
    """Return each call with ten seconds of its recording on both sides."""
    wide = SURROUNDINGS / expand
    spans = [(max(call.start - wide, 0.0), call.end + wide) for call in selections]
    places = []
    for at, (call, (start, _), samples) in enumerate(
        zip(selections, spans, read_spans(recording, spans, channel, expand), strict=True)
    ):
        target = np.full(-(-len(samples) // FRAME), UNKNOWN, np.float32)
        target[_between(call, start, FREE_OF_CALLS, expand, FRAME)] = 0.0
        for number, other in enumerate(selections):
            if number != at:
                target[_between(other, start, MARGIN, expand, FRAME)] = UNKNOWN
        target[_between(call, start, MARGIN, expand, FRAME)] = UNKNOWN
        target[_between(call, start, 0.0, expand, FRAME)] = 1.0
        places.append(Place(samples, target, _between(call, start, 0.0, expand, 1)))
    return places


def _between(call: Selection, start: float, margin: float, expand: float, unit: int) -> slice:
    edges = (call.start - start) * expand - margin, (call.end - start) * expand + margin
    return slice(*(max(round(edge * RATE / unit), 0) for edge in edges))


def _surroundings(
    recording: str | Path, selections: Sequence[Selection], channel: Channel, expand: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return what lies between the calls, and the median spectrum, of the first five minutes."""
    (samples,) = read_spans(recording, [(0.0, LONGEST / expand)], channel, expand)
    columns = samples[: len(samples) // BIN * BIN].reshape(-1, BIN)[::8] * np.hanning(BIN)
    power = np.median(np.abs(np.fft.rfft(columns)) ** 2, 0) + 1e-12
    is_free = np.ones(len(samples), bool)
    for call in selections:
        is_free[_between(call, 0.0, MARGIN, expand, 1)] = False
    return samples[is_free], power


def sound_files(paths: Sequence[str | Path]) -> list[Path]:
    """Return the sounds that are named, or lie in the folders that are named."""
    sounds: list[Path] = []
    for path in map(Path, paths):
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SoundReader.suffixes)
        if path.is_dir() and not inside:
            rule = f"it holds no sound ({', '.join(SoundReader.suffixes)})"
            raise RecipeError(str(path), rule, "Name a file, or a folder of recordings")
        sounds += inside if path.is_dir() else [path]
    return sounds


def _first(path: Path, channel: Channel, expand: float, seconds: int = LONGEST) -> np.ndarray:
    chosen: Channel = channel if channel == "mean" else 0
    return read_spans(path, [(0.0, seconds / expand)], chosen, expand)[0]
