"""Scores of found events, as the command prints them."""

import pytest

from scionwood.cli import main
from scionwood_audio.evaluation.scores import score_events
from scionwood_audio.readers.selections import Selection, write_selections

TRUE = [Selection(1, 2), Selection(5, 6), Selection(9, 10), Selection(20, 21)]
FOUND = [
    Selection(1, 2, score=0.9),
    Selection(3, 4, score=0.8),
    Selection(5, 6, score=0.7),
    Selection(12, 13, score=0.6),
    Selection(9, 10, score=0.5),
]


def test_counts_and_recall_at_one_false_alarm_an_hour():
    score = score_events(FOUND, TRUE, hours=1.5)
    assert (score.true, score.events, score.right) == (4, 5, 3)
    assert score.f1 == pytest.approx(6 / 9)
    assert (score.alarms, score.recall_at_one) == (1, 0.5)
    assert score_events(FOUND, TRUE, hours=2.0).recall_at_one == 0.75


def test_without_scores_there_is_no_recall_at_one_alarm():
    assert score_events([Selection(1, 2)], TRUE, hours=1.0).recall_at_one is None


def test_the_command_states_the_hours(tmp_path, capsys):
    write_selections(tmp_path / "found.txt", FOUND)
    write_selections(tmp_path / "true.csv", TRUE)
    paths = [str(tmp_path / "found.txt"), str(tmp_path / "true.csv")]
    assert main(["audio", "score", *paths, "--hours", "2"]) == 0
    assert "2 false alarms in 2 h): 75.0 %" in capsys.readouterr().out
    assert main(["audio", "score", *paths, "--hours", "0"]) == 2
    assert "must be above 0" in capsys.readouterr().err
