"""Scenes: the truth lies where the call is, and folds share no part."""

from __future__ import annotations

import numpy as np

from scionwood_audio.data.call_scenes import (
    Parts,
    compose,
    made_backgrounds,
    made_calls,
    made_sounds,
    shaped_noise,
)


def test_frames_and_events_tell_where_a_call_is():
    tone = np.sin(2 * np.pi * 3000 * np.arange(8000) / 16000).astype(np.float32)
    quiet = 1e-3 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    scene = compose(Parts([tone], [], [quiet]), 12.0, np.random.default_rng(1), (20.0, 20.0))
    power = np.square(scene.samples).reshape(-1, 320).mean(1)
    loud = power > 0.05**2 * 10
    assert abs(loud.sum() - scene.frames.sum()) <= 2 * len(scene.events)
    assert (scene.frames[loud] == 1).all()
    assert all(abs(end - start - 0.5) < 1e-6 for start, end in scene.events[1:-1])


def test_the_same_seed_gives_the_same_scene():
    rng = np.random.default_rng(0)
    parts = Parts(made_calls(rng, 2), made_sounds(rng, 4), made_backgrounds(rng, 2.0))
    scenes = [compose(parts, 6.0, np.random.default_rng(5), vary=0.1) for _ in range(2)]
    assert np.array_equal(scenes[0].samples, scenes[1].samples)
    assert scenes[0].events == scenes[1].events


def test_a_fold_and_the_rest_share_no_part():
    sounds = [np.full(4, n, np.float32) for n in range(7)]
    parts = Parts(sounds, sounds[:3], sounds[:1])
    held, rest = parts.fold(1, 5), parts.fold(1, 5, without=True)
    assert [call[0] for call in held.calls] == [1, 6]
    assert [call[0] for call in rest.calls] == [0, 2, 3, 4, 5]
    assert [[s[0] for s in part.others] for part in (held, rest)] == [[1], [0, 2]]
    assert len(held.backgrounds) == len(rest.backgrounds) == 1  # one is in every fold


def test_noise_has_the_spectrum_that_is_asked_for():
    power = np.where(np.linspace(0, 8000, 257) < 2000, 1.0, 1e-6)
    noise = shaped_noise(power, 2.0, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    low = spectrum[: len(spectrum) // 4].sum()
    assert low / spectrum.sum() > 0.99
