"""The commands generate, evaluate, prefer and merge."""

import json

import pytest
from case_table import table

from scionwood.cli import main
from scionwood_bangla import Decoding, Writer
from scionwood_bangla.checker.restate import count_faults, is_right
from scionwood_bangla.data.pairs import read_preferences
from scionwood_bangla.evaluation.baselines import with_instructions
from scionwood_bangla.model.weights import causal_lm
from scionwood_bangla.text.examples import Message


def test_generate_prints_the_text_with_its_faults(capsys):
    command = ["bangla", "generate", "শিক্ষককে জিজ্ঞেস করো, তিনি কবে আসবেন।", "--register", "apni"]
    assert main([*command, "--max-new-tokens", "24"]) == 0
    out = capsys.readouterr().out
    assert "; undecided: " in out
    assert "levels: " in out
    assert main([*command, "--json", "--best-of", "3", "--max-new-tokens", "24"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["samples"] == 3
    assert {"text", "faults", "levels", "ended"} <= record.keys()


def test_best_of_prints_the_sample_with_the_fewest_faults(capsys):
    asked = with_instructions((Message("user", "বন্ধুকে চিঠি লেখো।"),), "tumi")
    decoding = Decoding(sampled=True, max_new_tokens=24)
    faults = [
        count_faults(answer.text, frozenset({"tumi"}))
        for answer in Writer(causal_lm()).write([asked] * 6, decoding)
    ]
    command = ["bangla", "generate", "বন্ধুকে চিঠি লেখো।", "--register", "tumi", "--best-of", "6"]
    command += ["--model", "tiny"]
    assert main([*command, "--json", "--max-new-tokens", "24"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert count_faults(record["text"], frozenset({"tumi"})) == min(faults) < max(faults)


@table(
    ("options", "reason"),
    [
        (["--register", "vous"], "not a level"),
        (["--best-of", "0"], "at least 1"),
        (["--run", "nowhere"], "no such"),
        (["--peft", "nowhere"], "no such file"),
        (["--run", "bangla/register_tiny", "--peft", "."], "only one"),
    ],
)
def test_generate_refuses_invalid_options(options, reason, capsys):
    assert main(["bangla", "generate", "কেমন আছেন?", *options]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
def test_evaluates_a_run(run, capsys):
    command = ["bangla", "evaluate", "--run", str(run), "--n", "3", "--decoding", "greedy"]
    command += ["--methods", '["few_shot", "zero_shot", "adapter"]', "--max-new-tokens", "1"]
    assert main(command) == 0
    assert "unseen_verb_tense" in capsys.readouterr().out
    assert (run / "evaluation.html").is_file()
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.usefixtures("_undrawn")
def test_evaluates_a_run_on_a_file_of_examples(run, tmp_path, capsys):
    lines = [{"prompt": "বন্ধুকে লেখো।", "completion": "তুমি কেমন আছ?", "register": "tumi"}]
    data = tmp_path / "mine.jsonl"
    data.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    command = ["bangla", "evaluate", "--run", str(run), "--data", str(data), "--json"]
    command += ["--figures", str(tmp_path), "--decoding", "greedy", "--max-new-tokens", "1"]
    assert main([*command, "--methods", '["always_tumi"]']) == 0
    shown = capsys.readouterr().out
    rows = json.loads(shown[shown.index("[\n") :])
    assert {row["method"] for row in rows} == {"always_tumi"}
    assert all(row["gain"] is None for row in rows)  # nothing to compare with
    own = {r["value"] for r in rows if r["suite"] == "mine" and r["measure"] == "register_match"}
    assert 1.0 in own


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
