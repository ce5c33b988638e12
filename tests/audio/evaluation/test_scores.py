"""Scores of found events and of tables, as the command prints them."""

import pytest

import scionwood
from scionwood.cli import main
from scionwood_audio.evaluation.scores import score_events, score_tables
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


def test_a_table_has_an_auc_and_an_error_rate(tmp_path):
    scored, true = tmp_path / "s.csv", tmp_path / "t.csv"
    scored.write_text("id,score\na,0.9\nb,0.8\nc,0.3\nd,0.1\n")
    true.write_text("id,target\nd,0\nc,1\nb,0\na,1\n")
    assert score_tables(scored, true) == (4, 0.75, 0.5)
    true.write_text("id,target\na,1\nb,0\n")
    with pytest.raises(scionwood.ReadError, match="in one of the tables only"):
        score_tables(scored, true)


def test_the_command_states_the_hours(tmp_path, capsys):
    write_selections(tmp_path / "found.txt", FOUND)
    write_selections(tmp_path / "true.csv", TRUE)
    paths = [str(tmp_path / "found.txt"), str(tmp_path / "true.csv")]
    assert main(["audio", "score", *paths, "--hours", "2"]) == 0
    assert "2 false alarms in 2 h): 75.0 %" in capsys.readouterr().out
    assert main(["audio", "score", *paths, "--hours", "0"]) == 2
    assert "must be above 0" in capsys.readouterr().err
