"""Recordings as mono samples: blocks are the whole, and channels and rates are checked."""

import numpy as np
import pytest
import soundfile
import soxr
from case_table import table

from scionwood import ReadError
from scionwood_audio.errors import RateError
from scionwood_audio.inference.sounds import read_blocks, read_sound, seconds_of


def noise(seconds, rate, channels=1):
    values = np.random.default_rng(0).normal(0, 0.1, (round(seconds * rate), channels))
    return values.astype(np.float32)


@table("rate", [8_000, 11_025, 22_050, 32_000])
def test_resampling_in_blocks_is_resampling_at_once(rate, tmp_path):
    path = tmp_path / "a.wav"
    data = noise(61.3, rate)  # more than a block of a minute
    soundfile.write(path, data, rate, "FLOAT")
    blocks = list(read_blocks(path))
    assert len(blocks) > 2
    assert np.array_equal(np.concatenate(blocks), soxr.resample(data[:, 0], rate, 16_000))
    assert seconds_of(path) == pytest.approx(61.3, abs=1 / rate)


def test_a_song_above_the_band_is_heard_slower(tmp_path):
    path = tmp_path / "a.wav"
    tone = 0.5 * np.sin(2 * np.pi * 9000 * np.arange(96_000) / 48_000)
    soundfile.write(path, tone, 48_000)
    heard = read_sound(path, expand=2.0)
    spectrum = np.abs(np.fft.rfft(heard))
    assert len(heard) == pytest.approx(4 * 16_000, abs=2)
    assert np.fft.rfftfreq(len(heard), 1 / 16_000)[spectrum.argmax()] == pytest.approx(4500, abs=1)


@table(
    "rate, expand, rule",
    [
        (4000, 1.0, r"4000 samples a second, below 8,000\. Set expand to 0\.25"),
        (16_000, 4.0, "4000 samples a second"),
        (16_000, 0.0, "a positive number"),
        (16_000, float("nan"), "a positive number"),
    ],
)
def test_a_rate_that_hears_nothing_is_refused(rate, expand, rule, tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(1, rate), rate)
    with pytest.raises(RateError, match=rule):
        read_sound(tmp_path / "a.wav", expand=expand)


def test_channels_that_cancel_are_named(tmp_path):
    path = tmp_path / "a.wav"
    left = noise(1, 16_000)
    soundfile.write(path, np.hstack([left, -left]), 16_000, "FLOAT")
    with pytest.raises(ReadError, match="cancel each other"):
        read_sound(path)
    assert np.array_equal(read_sound(path, channel=1), -left[:, 0])


def test_the_loudest_channel_is_the_one_with_the_most_energy(tmp_path):
    path = tmp_path / "a.wav"
    data = noise(1, 16_000, 3) * np.float32([0.1, 1.0, 0.5])
    soundfile.write(path, data, 16_000, "FLOAT")
    assert np.array_equal(read_sound(path, channel="loudest"), data[:, 1])
    with pytest.raises(ReadError, match="channels 0 to 2"):
        read_sound(path, channel=3)
