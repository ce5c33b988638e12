"""The parts of scenes from files, and every bad input by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from case_table import table

import scionwood
from scionwood_audio import RateError
from scionwood_audio.data.composed import Composed
from scionwood_audio.data.parts import read_parts
from scionwood_audio.readers.selections import Selection, write_selections

CALLS = [Selection(1.0, 1.5, "a"), Selection(3.0, 3.4, "b"), Selection(5.0, 5.5, "a")]


@pytest.fixture
def recording(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    samples = 0.01 * rng.standard_normal(8 * 16000)
    for call in CALLS:
        time = np.arange(round((call.end - call.start) * 16000)) / 16000
        start = round(call.start * 16000)
        samples[start : start + len(time)] += 0.5 * np.sin(2 * np.pi * 3000 * time)
    path = tmp_path / "day.wav"
    soundfile.write(str(path), samples, 16000, "FLOAT")
    write_selections(tmp_path / "calls.csv", CALLS)
    return path


def level(sound: np.ndarray) -> float:
    return float(np.sqrt(np.square(sound).mean()))


def test_calls_are_cut_where_they_were_marked(recording):
    parts = read_parts(recording, CALLS)
    assert [len(call) for call in parts.calls] == [8000, 6400, 8000]
    assert all(level(call) > 0.3 for call in parts.calls)


def test_a_place_tells_the_call_from_what_surrounds_it(recording):
    place = read_parts(recording, CALLS).places[1]
    assert np.array_equal(place.samples[place.call], read_parts(recording, CALLS).calls[1])
    assert np.array_equal(np.flatnonzero(place.target == 1), np.arange(150, 170))
    assert (place.target[75:100] == -1).all()  # another call


def test_the_rest_is_background_only_if_the_user_says_so(recording):
    open_world = read_parts(recording, CALLS).backgrounds
    complete = read_parts(recording, CALLS, assume_complete=True).backgrounds
    rest = np.concatenate(complete)
    samples = soundfile.read(str(recording), dtype="float32")[0]
    assert np.array_equal(rest[:8000], samples[:8000])
    assert level(rest) == pytest.approx(0.01, rel=0.1)
    assert not any(np.isin(sound, samples).mean() > 0.01 for sound in open_world)


def test_a_slower_hearing_makes_calls_longer(recording):
    assert len(read_parts(recording, CALLS, expand=1.5).calls[0]) == 12000


HIGH = [CALLS[0], Selection(3, 3.4, "", 8500.0, 9000.0)]


@table(
    "calls, error, words",
    [
        pytest.param(CALLS[:1], scionwood.RecipeError, "1 examples .* two are needed", id="one"),
        pytest.param([], scionwood.RecipeError, "0 examples", id="none"),
        pytest.param(
            [*CALLS, Selection(7, 9)],
            scionwood.ReadError,
            "example 4.* lasts 8.00 s",
            id="outside",
        ),
        pytest.param(HIGH, RateError, "song at 9 kHz .* It needs expand=2", id="9 kHz"),
    ],
)
def test_examples_that_cannot_be_heard_are_refused(recording, calls, error, words):
    with pytest.raises(error, match=words):
        read_parts(recording, calls)


def test_a_folder_without_sound_is_refused(recording, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(scionwood.RecipeError, match="holds no sound"):
        read_parts(recording, CALLS, backgrounds=[tmp_path / "empty"])


def test_composed_holds_folds_of_the_examples_out(recording, tmp_path):
    data = Composed(
        recording=str(recording),
        selections=str(tmp_path / "calls.csv"),
        window=0.5,
        n_train=2,
        n_val=2,
    )
    batch = next(iter(data.loader("val")))
    assert batch["samples"].shape == (8, 8000)
    assert batch["composed"].all()
    train, val = (data.loader(split).dataset.inner.parts for split in ("train", "val"))
    assert len(train.calls) == 2
    assert len(val.calls) == 1
