"""Recordings as mono samples at the rate of the network, a block at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from scionwood import ReadError, RecipeError
from scionwood_audio.errors import RateError
from scionwood_audio.inference.channels import is_seismic, read_channel
from scionwood_audio.model.mel import RATE
from scionwood_audio.readers.sound import SoundReader

Channel: TypeAlias = int | str
"""A channel by its number from 0, `mean` of all, or `loudest`, the one with the most energy."""

LOWEST = 8_000
"""Samples a second below which features change: through 4 kHz their cosine is 0.79."""

BLOCK = 10.0
"""Seconds of a sound that are in memory."""

PIECE = 2**20
"""Samples of a seismic channel that are resampled at once."""

CANCELLED = 0.1
"""Level of the mean against that of the channels, below which they cancel each other."""


def read_blocks(
    path: str | Path, *, channel: Channel = "mean", expand: float = 1.0
) -> Iterator[np.ndarray]:
    """Yield a recording as mono samples at 16 kHz, a block at a time.

    Resampling in blocks gives the samples of resampling at once.

    Yields:
        (time,) float32.
    """
    if channel not in ("mean", "loudest") and not str(channel).isdigit():
        rule = "a channel is a number from 0, mean, or loudest"
        raise RecipeError(f"channel {channel}", rule, "Give one of them")
    if is_seismic(path):
        yield from _heard(path, channel, expand)
        return
    with SoundReader(path, block=BLOCK) as reader:
        stream = _stream(path, reader.rate, expand)
        if channel != "mean":
            channel = _loudest(path) if channel == "loudest" else int(channel)
            if channel >= reader.channels:
                rule = f"the file has the channels 0 to {reader.channels - 1}"
                raise ReadError(f"{path}: channel {channel}", rule, "Choose one of them")
        for record in reader:
            yield stream.resample_chunk(_mono(path, record.data, channel))
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def seconds_of(path: str | Path) -> float:
    """Return the length of a recording in seconds; a sound states it, a seismic file is read."""
    if is_seismic(path):
        samples, rate = read_channel(path, 0)
        return len(samples) / rate
    with SoundReader(path) as reader:
        return float(reader.frames / reader.rate)


def read_sound(path: str | Path, *, channel: Channel = "mean", expand: float = 1.0) -> np.ndarray:
    """Return a short recording as mono samples at 16 kHz, (time,) float32; see `read_blocks`."""
    return np.concatenate(list(read_blocks(path, channel=channel, expand=expand)))


def _heard(path: str | Path, channel: Channel, expand: float) -> Iterator[np.ndarray]:
    if not str(channel).isdigit():
        rule = "the channels of a seismic file are places, and their mixture is none"
        raise ReadError(f"{path}: channel {channel}", rule, "Name one: channel=0")
    samples, rate = read_channel(path, int(channel))
    stream = _stream(path, rate, expand)
    for start in range(0, len(samples), PIECE):
        yield stream.resample_chunk(samples[start : start + PIECE])
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _stream(path: str | Path, declared: float, expand: float) -> Any:
    import soxr

    if not 0 < expand < math.inf:
        rule = "it is a positive number: 2 is heard twice as slowly, 0.5 twice as fast"
        raise RateError(f"{path}: expand {expand:g}", rule, "Set it to 1")
    rate = declared / expand
    if rate < LOWEST:
        rule = f"it is heard at {rate:g} samples a second, below {LOWEST:,}"
        remedy = f"Set expand to {declared / RATE:g} or less: the sound is then heard faster"
        raise RateError(str(path), rule, remedy)
    return soxr.ResampleStream(rate, RATE, 1, dtype="float32")


def _mono(path: str | Path, data: np.ndarray, channel: Channel) -> np.ndarray:
    if isinstance(channel, int):
        return np.ascontiguousarray(data[channel])
    mean: np.ndarray = data.mean(0)
    level, power = float(np.square(mean).mean()), float(np.square(data).mean())
    if power > 0 and level < CANCELLED**2 * power:
        rule = "its channels cancel each other, as left = -right does"
        raise ReadError(str(path), rule, "Choose one: channel 0, or loudest")
    return mean


def _loudest(path: str | Path) -> int:
    with SoundReader(path) as reader:
        energy = sum(np.square(record.data, dtype=np.float64).sum(1) for record in reader)
    return int(np.argmax(energy))
