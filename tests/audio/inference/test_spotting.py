"""Words in a stream have the scores of the whole file, bit for bit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from case_table import table

import scionwood
from scionwood import RecipeError
from scionwood_audio.errors import RateError, WindowMismatchError
from scionwood_audio.inference.spotting import Spotter, Stream, peaks, recorded
from scionwood_audio.readers.selections import Selection


@cache
def _spotter() -> Spotter:
    return Spotter(["una rana", "sol"], weights="random", window=0.5)


def _noise(seconds: float, rate: int) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(round(seconds * rate))
    return (0.1 * noise).astype(np.float32)


def _spots(samples: np.ndarray, chunk: int, rate: float = 16000) -> list[Selection]:
    stream = Stream(None, _spotter(), rate=rate, hop=0.25)
    parts = (samples[at : at + chunk] for at in range(0, len(samples), chunk))
    return [*(spot for part in parts for spot in stream.feed(part)), *stream.close()]


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_chunks_of_any_size_give_the_scores_of_the_whole(rate):
    samples = _noise(1.1, rate)
    whole = _spots(samples, len(samples), rate)
    assert len(whole) == 8
    for chunk in (160, 1237, 4096, 10_000, 16_001):
        assert _spots(samples, chunk, rate) == whole


def test_a_start_on_the_grid_gives_the_scores_of_the_rest():
    samples, step = _noise(1.5, 16000), 4000
    whole = [spot.score for spot in _spots(samples, 1237)]
    for windows in (1, 2, 3):
        rest = [spot.score for spot in _spots(samples[windows * step :], 700)]
        assert rest == whole[2 * windows :]


def test_of_overlapping_windows_the_best_remains():
    marked = [
        (0.0, 3.0, "a", 1.0),
        (1.0, 4.0, "a", 2.0),
        (5.0, 8.0, "a", 0.5),
        (1.0, 4.0, "b", 1.5),
    ]
    spots = [Selection(start, end, word, score=score) for start, end, word, score in marked]
    assert peaks(spots, 0.7) == [spots[1], spots[3]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words") / "run"
    recipe = scionwood.resolve("audio/words_new_language", smoke=True)
    return Path(scionwood.fit(recipe, run_dir=folder, overrides={"trainer.max_steps": 1}))


def test_a_run_refuses_another_window(run):
    assert Spotter(["sol"], run).window == 1.0
    with pytest.raises(WindowMismatchError, match="trained with a window of 1 s"):
        Spotter(["sol"], run, window=3.0)


def test_a_run_states_what_its_validation_measured(run):
    assert {"hard", "zero_shot", "threshold"} <= recorded(run).keys()


@table(
    "make, error, match",
    [
        (lambda: Spotter([]), RecipeError, "there is none"),
        (lambda: Spotter(["猫"], weights="random"), RecipeError, "Latin"),
        (lambda: Stream(None, _spotter(), rate=4000), RateError, "8,000"),
        (lambda: Stream(None, _spotter(), hop=9.0), RecipeError, "hop"),
    ],
)
def test_bad_input_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()
