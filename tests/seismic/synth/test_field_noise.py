"""Noise at the canonical sampling, and pairs of noisy and clean records."""

from __future__ import annotations

import numpy as np
import pytest
from case_table import table

from scionwood_seismic.synth.field_noise import COLOURS, NoiseWindows, draw_noise
from scionwood_seismic.synth.field_pair import mix

SHAPE = (32, 64)


@table("colour", sorted(COLOURS))
def test_noise_has_unit_deviation_and_depends_on_the_seed_alone(colour):
    one, again, other = (
        draw_noise(np.random.default_rng(seed), SHAPE, colours=[colour]) for seed in (1, 1, 2)
    )
    assert one.std() == pytest.approx(1, rel=1e-3)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_only_near_noise_is_shared_by_neighbouring_traces():
    def shared(colour: str) -> float:
        rng = np.random.default_rng(0)
        draws = [draw_noise(rng, SHAPE, colours=[colour]) for _ in range(40)]
        return float(np.median([np.corrcoef(n[1:].ravel(), n[:-1].ravel())[0, 1] for n in draws]))

    assert shared("near") > 0.3
    assert abs(shared("white")) < 0.05


def test_windows_of_real_noise_keep_its_band_and_mirror_a_small_record():
    t = np.arange(400)
    tone = np.sin(2 * np.pi * t / 10 + np.arange(8)[:, None])
    rng = np.random.default_rng(0)
    for _ in range(20):
        window = NoiseWindows([tone]).draw(rng, SHAPE)
        assert window.shape == SHAPE
        assert np.abs(window.mean(axis=1)).max() < 0.2
        peak = np.square(np.abs(np.fft.rfft(window, axis=1))).mean(axis=0).argmax() / SHAPE[1]
        assert 0.04 < peak < 0.22  # a period of 10 samples, stretched by 0.5 to 2


@table("share", [0.0, 0.3, 1.0])
def test_a_share_of_the_noise_is_real(share):
    real = NoiseWindows([np.sin(2 * np.pi * np.arange(400) / 10 + np.arange(40)[:, None])])
    rng = np.random.default_rng(4)
    tones = []
    for _ in range(100):
        noise = draw_noise(rng, SHAPE, real, share)
        power = np.square(np.abs(np.fft.rfft(noise, axis=1))).mean(axis=0)
        tones.append(np.sort(power)[-4:].sum() > 0.5 * power.sum())
    assert np.mean(tones) == pytest.approx(share, abs=0.25)


def test_a_pair_has_a_clean_record_of_unit_rms_and_states_its_noise():
    rng = np.random.default_rng(0)
    clean, noise = 7 * rng.standard_normal(SHAPE), rng.standard_normal(SHAPE)
    pair = mix(clean, noise, 0.5, 5)
    assert pair.mask[:5].all()
    assert not pair.mask[5:].any()
    assert not pair.noisy[5:].any()
    assert np.sqrt(np.square(pair.clean[:5]).mean()) == pytest.approx(1, rel=1e-4)
    added = pair.noisy - pair.clean
    assert pair.level == pytest.approx(np.sqrt(np.square(added[:5]).mean()), rel=1e-3)
    assert pair.level == pytest.approx(0.5, rel=0.1)
    assert mix(clean, noise, 0.0, 5).level == 0


def test_traces_without_signal_are_zero_in_the_clean_record():
    clean = np.ones(SHAPE)
    clean[:4] = 1e-9
    clean[5::2] = -1
    pair = mix(clean, np.ones(SHAPE), 1.0, 4)
    assert not pair.clean.any()
    assert pair.noisy[:4].all()
