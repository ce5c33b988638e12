"""Scenes: the truth lies where the call is, and folds share no part."""

import numpy as np

from scionwood_audio.data.call_scenes import (
    Parts,
    compose,
)


def test_frames_and_events_tell_where_a_call_is():
    tone = np.sin(2 * np.pi * 3000 * np.arange(8000) / 16000).astype(np.float32)
    quiet = 1e-3 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    scene = compose(Parts([tone], [], [quiet]), 12.0, np.random.default_rng(1), (20.0, 20.0))
    power = np.square(scene.samples).reshape(-1, 320).mean(1)
    loud = power > 0.05**2 * 10
    assert abs(loud.sum() - scene.target.sum()) <= 2 * len(scene.events)
    assert (scene.target[loud] == 1).all()
    assert all(abs(end - start - 0.5) < 1e-6 for start, end in scene.events[1:-1])


def test_a_fold_and_the_rest_share_no_part():
    sounds = [np.full(4, n, np.float32) for n in range(7)]
    parts = Parts(sounds, sounds[:3], sounds[:1])
    held, rest = parts.fold([1], 5), parts.fold([0, 2, 3, 4], 5)
    assert [call[0] for call in held.calls] == [1, 6]
    assert sorted(call[0] for call in rest.calls) == [0, 2, 3, 4, 5]
    assert [s[0] for s in held.others] == [1]
    assert len(held.backgrounds) == len(rest.backgrounds) == 1  # one is in every fold
