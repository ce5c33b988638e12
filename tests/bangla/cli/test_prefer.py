"""The commands prefer and merge."""

from __future__ import annotations

from scionwood.cli import main
from scionwood_bangla.checker.restate import is_right
from scionwood_bangla.data.pairs import read_preferences
from scionwood_bangla.model.weights import causal_lm


def test_prefer_pairs_examples(tmp_path, capsys):
    target = tmp_path / "pairs.jsonl"
    assert main(["bangla", "prefer", str(target), "--n", "12", "--samples", "0"]) == 0
    assert "pairs of 12 requests" in capsys.readouterr().out
    assert len(read_preferences(target)) > 9
    assert main(["bangla", "prefer", str(target), "--samples", "0"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_prefer_samples_a_model(tmp_path, capsys):
    target = tmp_path / "pairs.jsonl"
    command = ["bangla", "prefer", str(target), "--n", "4", "--samples", "12"]
    assert main([*command, "--max-new-tokens", "40"]) == 0
    assert "of 4 requests" in capsys.readouterr().out
    for pair in read_preferences(target):
        assert is_right(pair.chosen, pair.register)
        assert not is_right(pair.rejected, pair.register)


def test_merge_writes_a_model_folder(run, tmp_path, capsys):
    target = tmp_path / "merged"
    command = ["bangla", "merge", str(target), "--run", str(run)]
    assert main(command) == 0
    assert "use it as backbone.model" in capsys.readouterr().out
    assert causal_lm(model=str(target)).config.model_type == "llama"
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
