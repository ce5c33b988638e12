"""Runs are compared with the untrained network of the same data."""

import pytest

import scionwood
from scionwood import TrainingError
from scionwood_audio.verbs.compare import compare

RECIPE = "audio/words_new_language"


def test_a_comparison_states_zero_shot_and_the_crossing_point(tmp_path, capsys):
    recipe = scionwood.resolve(RECIPE, smoke=True)
    run = scionwood.fit(recipe, run_dir=tmp_path / "run", overrides={"trainer.max_steps": 1})
    compare([str(run)])
    shown = capsys.readouterr().out
    assert "zero-shot hard" in shown
    assert "recommended" in shown or "above zero-shot" in shown


def test_a_run_without_the_comparison_is_refused(tmp_path):
    changes = {"trainer.max_steps": 1, "task.compare": False}
    recipe = scionwood.resolve(RECIPE, smoke=True)
    run = scionwood.fit(recipe, run_dir=tmp_path / "run", overrides=changes)
    with pytest.raises(TrainingError, match="zero_shot"):
        compare([str(run)])
