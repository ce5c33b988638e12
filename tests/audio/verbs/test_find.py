"""Five marked calls, find the others: templates, frozen layers, an adapter and its run."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

import scionwood
from scionwood.cli import main
from scionwood_audio import FindOptions, WindowMismatchError, find, score_events
from scionwood_audio.data.made import made_calls
from scionwood_audio.inference import held_out
from scionwood_audio.inference.adapting import read_events, write_events
from scionwood_audio.inference.events import Shape
from scionwood_audio.inference.finding import search
from scionwood_audio.inference.held_out import Result, gains
from scionwood_audio.readers.selections import Selection, read_selections, write_selections

SMALL = FindOptions(weights="random", window=0.5, overlap=1)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(held_out, "SECONDS", 12.0)


@pytest.fixture
def day(tmp_path) -> tuple[Path, list[Selection], list[Selection]]:
    """Write a whistle at every four seconds of a quiet recording in stereo."""
    rng = np.random.default_rng(3)
    samples, true = 0.01 * rng.standard_normal(40 * 16000), []
    for number, call in enumerate(made_calls(rng, 9)):
        start = (1 + 4 * number) * 16000
        samples[start : start + len(call)] += 0.3 * call
        end = (start + len(call)) / 16000
        true.append(Selection(start / 16000, end, "whistle", 2000.0, 4000.0))
    path = tmp_path / "day.wav"
    soundfile.write(str(path), np.stack([samples] * 2, 1), 16000, "PCM_16")
    return path, true[:4], true


def test_the_other_calls_are_found_and_written(day, tmp_path, short, capsys):
    path, marked, true = day
    write_selections(tmp_path / "five.txt", marked)
    files = [str(path), str(tmp_path / "five.txt"), str(tmp_path / "out.txt")]
    options = ["--weights", "random", "--window", "0.5", "--overlap", "1"]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*hardly tells")
        assert main(["audio", "find", *files, *options]) == 0
    said = capsys.readouterr().out
    assert "template" in said
    assert "layer 4" in said
    assert len(re.findall(r"\bused\b", said)) == 1
    assert "it has learnt nothing" in said
    found = read_selections(tmp_path / "out.txt")
    assert score_events(found, true).f1 > 0.8
    assert {(c.label, c.low, c.high) for c in found} == {("whistle", 2000.0, 4000.0)}
    assert all(0.5 <= (call.score or 0) <= 1 for call in found)


def test_marks_on_nothing_but_noise_are_searched_with_a_warning(day, tmp_path, short):
    noise = 0.01 * np.random.default_rng(5).standard_normal(40 * 16000)
    soundfile.write(tmp_path / "noise.wav", noise, 16000, "PCM_16")
    with pytest.warns(UserWarning, match="hardly tells the marked calls .* listen to it"):
        find(tmp_path / "noise.wav", day[1], SMALL)


def test_an_adapter_is_not_tried_on_clips_in_silence(tmp_path):
    calls, samples, marked = made_calls(np.random.default_rng(0), 3), [np.zeros(8000)], []
    for call in calls:
        start = sum(map(len, samples)) / 16000
        marked.append(Selection(start, start + len(call) / 16000, "whistle"))
        samples += [call, np.zeros(32000)]
    soundfile.write(str(tmp_path / "clips.wav"), np.concatenate(samples), 16000, "FLOAT")
    with pytest.raises(scionwood.RecipeError, match="silence surrounds the examples"):
        search(tmp_path / "clips.wav", marked, FindOptions(**{**vars(SMALL), "adapt": True}))


@pytest.mark.slow
def test_an_adapter_that_loses_is_not_used(day, tmp_path, monkeypatch, short):
    path, marked, _ = day
    monkeypatch.chdir(tmp_path)
    found = search(path, marked, FindOptions(**{**vars(SMALL), "adapt": True}))
    adapter = found.results[-1]
    assert adapter.level == "adapter"
    lead, error = gains(adapter, found.chosen)
    assert lead <= error  # random features hold nothing that LoRA could turn
    assert "not used" in found.verdict
    assert found.run is None
    assert not (tmp_path / "runs").exists()


def test_a_run_has_its_window_and_its_threshold(day, tmp_path, short):
    path, marked, _ = day
    recipe = scionwood.resolve("audio/find_five", smoke=True)
    run = scionwood.fit(recipe, run_dir=tmp_path / "run", overrides={"trainer.accelerator": "cpu"})
    with pytest.raises(WindowMismatchError, match=r"window of 0\.5 s"):
        find(path, marked, FindOptions(run=run, window=3.0))
    result = Result("adapter", 0.9, (0.8, 0.7), 1e6, 2e6)
    write_events(run, result, Shape(3, 5, 2))
    assert find(path, marked, FindOptions(run=run)) == []  # no score reaches this threshold
    assert read_events(run) == (result, Shape(3, 5, 2))
    (run / "events.json").write_text("{}")
    with pytest.raises(scionwood.ScionwoodError):
        find(path, marked, FindOptions(run=run))


@pytest.mark.slow
def test_the_page_plays_what_was_found(day, tmp_path, short):
    path, marked, _ = day
    write_selections(tmp_path / "five.csv", marked)
    page = tmp_path / "found.html"
    files = [str(path), str(tmp_path / "five.csv"), str(tmp_path / "out.labels.txt")]
    options = ["--weights", "random", "--window", "0.5", "--page", str(page)]
    assert main(["audio", "find", *files, *options]) == 0
    html = page.read_text()
    found = read_selections(tmp_path / "out.labels.txt")
    assert html.count('<audio controls preload="none" src="data:audio/mpeg') == len(found)
    assert html.count("data:image/png") == len(found)
    assert "media-src data:" in html
    assert len(html) < 100_000 * len(found)
