"""The commands of words write what they find, and refuse what they cannot use."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import soundfile

import scionwood
from scionwood import OutputExistsError, RecipeError, TrainingError
from scionwood_audio.readers.sound import SoundReader
from scionwood_audio.verbs.words import SpotOptions, compare, enrol, spot

RECIPE = "audio/words_new_language"


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    SoundReader.write_sample(tmp_path / "tone.wav")
    (tmp_path / "words.txt").write_text("tone\n\nuna rana\n", "utf-8")
    return tmp_path / "tone.wav"


def test_an_enrolled_clip_is_found_in_its_own_recording(tone):
    folder = tone.parent
    enrol([tone], folder / "tone.npz")
    (folder / "words.txt").write_text("tone\n")
    options = SpotOptions(enrolled=folder / "tone.npz", window=1.0, weights="random")
    page = folder / "out.html"
    (found,) = spot(tone, folder / "words.txt", folder / "out.csv", options, page=page)
    assert (found.label, round(found.score, 5)) == ("tone", 0.0)
    with (folder / "out.csv").open(newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["tone"]
    assert "<audio controls" in page.read_text("utf-8")
    with pytest.raises(OutputExistsError):
        spot(tone, folder / "words.txt", folder / "out.csv", options)


@pytest.mark.parametrize("name", ["tone.wav", "tone.ogg"])
def test_a_sound_is_decoded_in_the_child(tone, name, monkeypatch):
    samples, rate = soundfile.read(tone)
    soundfile.write(tone.parent / name, samples, rate)
    monkeypatch.setenv("SCIONWOOD_READERS", "service")
    options = SpotOptions(weights="random", window=1.0)
    spots = spot(tone.parent / name, tone.parent / "words.txt", tone.parent / "out.csv", options)
    assert {found.label for found in spots} == {"tone", "una rana"}


def test_a_run_and_an_enrolment_exclude_each_other(tone):
    options = SpotOptions(run="run", enrolled=tone)
    with pytest.raises(RecipeError, match="one of them"):
        spot(tone, tone.parent / "words.txt", tone.parent / "out.csv", options)


def test_a_channel_that_is_none_is_refused(tone):
    options = SpotOptions(channel="left", weights="random")
    with pytest.raises(RecipeError, match="channel left"):
        spot(tone, tone.parent / "words.txt", tone.parent / "out.csv", options)


def test_a_comparison_states_zero_shot_and_the_crossing_point(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = scionwood.resolve(RECIPE, smoke=True)
    run = scionwood.fit(recipe, run_dir=tmp_path / "run", overrides={"trainer.max_steps": 1})
    compare([str(run)])
    shown = capsys.readouterr().out
    assert "zero-shot hard" in shown
    assert "recommended" in shown or "above zero-shot" in shown


def test_a_run_without_the_comparison_is_refused(tmp_path: Path) -> None:
    changes = {"trainer.max_steps": 1, "task.compare": False}
    recipe = scionwood.resolve(RECIPE, smoke=True)
    run = scionwood.fit(recipe, run_dir=tmp_path / "run", overrides=changes)
    with pytest.raises(TrainingError, match="zero_shot"):
        compare([str(run)])
