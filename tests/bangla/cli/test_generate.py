"""The commands generate and evaluate."""

from __future__ import annotations

import json

from case_table import table

from scionwood.cli import main
from scionwood_bangla import Decoding, Writer
from scionwood_bangla.checker.restate import count_faults
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
    ],
)
def test_generate_refuses_invalid_options(options, reason, capsys):
    assert main(["bangla", "generate", "কেমন আছেন?", *options]) == 2
    assert reason in capsys.readouterr().err


def test_generate_refuses_both_a_run_and_a_peft_folder(run, capsys):
    both = ["--run", str(run), "--peft", str(run / "adapter")]
    assert main(["bangla", "generate", "কেমন আছেন?", *both]) == 2
    assert "only one" in capsys.readouterr().err


def test_evaluates_a_run(run, tmp_path, capsys):
    command = ["bangla", "evaluate", "--run", str(run), "--n", "3", "--decoding", "greedy"]
    command += ["--methods", '["few_shot", "zero_shot", "adapter"]', "--max-new-tokens", "4"]
    assert main(command) == 0
    assert "unseen_verb_tense" in capsys.readouterr().out
    assert (run / "evaluation.html").is_file()
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err
    command[command.index("--methods") + 1] = '["zero_shot"]'
    assert main([*command, "--json", "--figures", str(tmp_path / "again")]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["method"] for row in rows} == {"zero_shot"}
    assert all(row["gain"] is None for row in rows)


def test_evaluates_a_run_on_a_file_of_examples(run, tmp_path, capsys):
    lines = [{"prompt": "বন্ধুকে লেখো।", "completion": "তুমি কেমন আছ?", "register": "tumi"}]
    data = tmp_path / "mine.jsonl"
    data.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    command = ["bangla", "evaluate", "--run", str(run), "--data", str(data), "--json"]
    command += ["--figures", str(tmp_path)]
    command += ["--methods", '["always_tumi", "adapter"]', "--max-new-tokens", "4"]
    assert main([*command, "--decoding", "greedy"]) == 0
    shown = capsys.readouterr().out
    rows = json.loads(shown[shown.index("[\n") :])
    own = {r["value"] for r in rows if r["suite"] == "mine" and r["measure"] == "register_match"}
    assert 1.0 in own
