"""Five marked calls, find the others: templates, frozen layers, an adapter and its run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import scionwood
from scionwood.cli import main
from scionwood_audio import FindOptions, WindowMismatchError, find, score_events
from scionwood_audio.data.scenes import Parts, compose, made_backgrounds, made_calls, made_sounds
from scionwood_audio.inference import held_out
from scionwood_audio.inference.finding import search
from scionwood_audio.readers.selections import Selection, read_selections, write_selections

SMALL = FindOptions(weights="random", window=0.5, overlap=1)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(held_out, "SECONDS", 12.0)


@pytest.fixture
def day(tmp_path) -> tuple[Path, list[Selection], list[Selection]]:
    rng = np.random.default_rng(3)
    parts = Parts(made_calls(rng, 5), made_sounds(rng, 9), made_backgrounds(rng, 5.0)[:1])
    scene = compose(parts, 40.0, rng, (15.0, 20.0))
    path = tmp_path / "day.wav"
    soundfile.write(str(path), np.stack([scene.samples] * 2, 1) / 2, 16000, "PCM_16")
    true = [Selection(*event, "whistle", 2000.0, 4000.0) for event in scene.events]
    whole = [call for call in true if call.end - call.start > 0.8]
    return path, whole[:4], true


def test_the_other_calls_are_found_and_written(day, tmp_path, short, capsys):
    path, marked, true = day
    write_selections(tmp_path / "five.txt", marked)
    files = [str(path), str(tmp_path / "five.txt"), str(tmp_path / "out.txt")]
    options = ["--weights", "random", "--window", "0.5", "--overlap", "1"]
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


def test_a_higher_confidence_gives_fewer_calls(day, short):
    path, marked, _ = day
    few, many = (
        search(path, marked, FindOptions(**{**vars(SMALL), "confidence": level})).selections
        for level in (0.95, 0.5)
    )
    assert len(few) < len(many)


@pytest.mark.slow
def test_an_adapter_is_tried_and_its_run_used_again(day, tmp_path, monkeypatch):
    path, marked, true = day
    monkeypatch.chdir(tmp_path)
    options = FindOptions(weights="random", window=1.0, overlap=1, adapt=True)
    found = search(path, marked, options)
    assert found.results[-1].level == "adapter"
    assert found.run is not None, found.results
    again = FindOptions(run=found.run, overlap=1)
    assert find(path, marked, again) == found.selections
    assert score_events(found.selections, true).f1 > 0.8
    with pytest.raises(WindowMismatchError, match="trained with a window of 1 s"):
        find(path, marked, FindOptions(run=found.run, window=0.5))


def test_a_run_of_another_window_is_refused(day, tmp_path, short):
    path, marked, _ = day
    recipe = scionwood.resolve("audio/find_five", smoke=True)
    run = scionwood.fit(recipe, run_dir=tmp_path / "run", overrides={"trainer.accelerator": "cpu"})
    with pytest.raises(WindowMismatchError, match=r"window of 0\.5 s"):
        find(path, marked, FindOptions(run=run, window=3.0))
    assert find(path, marked, FindOptions(run=run, confidence=0.01))


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
