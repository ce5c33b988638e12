"""Words by example: warping, and the file of an enrolment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scionwood import ReadError, RecipeError
from scionwood_audio.data.words import made_clips
from scionwood_audio.inference import enrolment as enrolled
from scionwood_audio.inference.spotting import Spotter, Stream


def _by_definition(cost: np.ndarray) -> float:
    best = np.full(cost.shape, np.inf)
    best[0] = cost[0]
    for i in range(1, len(cost)):
        for j in range(cost.shape[1]):
            before = [best[i - 1, j]]
            if j:
                before += [best[i - 1, j - 1], best[i, j - 1]]
            best[i, j] = cost[i, j] + min(before)
    return float(best[-1].min()) / len(cost)


def test_the_distance_is_that_of_its_definition():
    random = np.random.default_rng(0)
    take, sound = random.standard_normal((7, 5)), random.standard_normal((11, 5))
    take /= np.linalg.norm(take, axis=1, keepdims=True)
    sound /= np.linalg.norm(sound, axis=1, keepdims=True)
    assert enrolled.warp(take, sound) == pytest.approx(_by_definition(1 - take @ sound.T))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clips = [(clip.text, clip.sound) for clip in made_clips(2, 0)]
    target = tmp_path_factory.mktemp("enrolment") / "words.npz"
    enrolled.write_enrolment(clips, target)
    return target


def test_an_enrolled_word_is_nearer_than_another(file):
    first, second = made_clips(2, 0)
    stream = Stream(
        None, Spotter([first.text, second.text], enrolled=file, weights="random", window=1.0)
    )
    spots = stream.feed(np.pad(first.sound, (0, 16000 - len(first.sound))))
    assert spots[0].score > max(spots[1].score, -1e-3)


def test_a_clip_longer_than_the_window_is_refused(file):
    with pytest.raises(RecipeError, match=r"window 0\.2 s"):
        Spotter([made_clips(2, 0)[0].text], enrolled=file, weights="random", window=0.2)


def test_a_damaged_or_pickled_file_is_refused(file, tmp_path):
    cut = tmp_path / "cut.npz"
    cut.write_bytes(file.read_bytes()[:-200])
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, words=np.array([{"a": 1}], dtype=object))
    for path in (cut, pickled, tmp_path / "missing.npz"):
        with pytest.raises(ReadError):
            enrolled.read_enrolment(path)
