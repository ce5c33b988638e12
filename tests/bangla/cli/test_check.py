"""The commands check, score, evaluate-checker and tokenizers."""

from __future__ import annotations

import json

import pytest
from tokenizers import Tokenizer, models

from scionwood.cli import main
from scionwood_bangla.text.normalise import normalise

LETTER = (
    "তারিখ: ১০ মার্চ ২০২৬\nবরাবর,\nপ্রধান শিক্ষক\nজনাব,\n"
    "আপনি আমার আবেদন পেয়েছ জেনে খুশি হলাম।\nতোমার সাহায্য চাই।\nবিনীত নিবেদক\nরফিক\n"
)


@pytest.fixture
def letter(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text(LETTER, "utf-8")
    return path


def test_check_marks_each_fault_with_its_rule_and_a_suggestion(letter, capsys):
    with pytest.raises(SystemExit) as end:
        main(["bangla", "check", str(letter)])
    assert end.value.code == 1
    out = capsys.readouterr().out
    assert normalise("[পেয়েছ](2)") in out
    assert "[তোমার](3)" in out
    assert normalise("suggestion: পেয়েছেন") in out
    assert "suggestion: আপনার" in out
    assert "structure: the letter has no subject" in out
    assert out.count("structure:") == 1


def test_check_prints_json_whose_positions_fit_its_text(letter, capsys):
    words = ["bangla", "check", str(letter), "--json", "--register", "apni", "--exit-zero"]
    assert main(words) == 0
    record = json.loads(capsys.readouterr().out)
    rules = [fault["rule"] for fault in record["faults"]]
    assert rules == ["structure", "agreement", "register"]
    for fault in record["faults"][1:]:
        assert record["text"][fault["start"] : fault["end"]] == fault["word"]
    assert record["levels"] == ["apni", "tumi"]


def test_check_reports_the_literary_style(tmp_path, capsys):
    path = tmp_path / "old.txt"
    path.write_text("তিনি কলিকাতায় গিয়াছেন।", "utf-8")
    assert main(["bangla", "check", str(path)]) == 0
    assert "the style is literary" in capsys.readouterr().out


def test_check_counts_one_fault_in_the_singular(tmp_path, capsys):
    path = tmp_path / "line.txt"
    path.write_text("আপনি কেমন আছ?", "utf-8")
    assert main(["bangla", "check", str(path), "--exit-zero"]) == 0
    assert "\n1 fault; undecided: 0 of 1 verb\n" in capsys.readouterr().out


def test_check_refuses_a_text_that_is_not_bangla(tmp_path, capsys):
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir, I am ill.", "utf-8")
    assert main(["bangla", "check", str(path)]) == 2
    assert "most are Latin" in capsys.readouterr().err


def test_score_prints_a_row_for_each_register(tmp_path, capsys):
    path = tmp_path / "corpus.jsonl"
    lines = [{"text": "আপনি কেমন আছেন?", "register": level} for level in ("apni", "tumi")]
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    assert main(["bangla", "score", str(corpus := path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    match = {r["register"]: r["value"] for r in rows if r["score"] == "register_match"}
    assert match == {"all": 0.5, "apni": 1.0, "tumi": 0.0}
    assert main(["bangla", "score", str(corpus)]) == 0
    assert "over_formal" in capsys.readouterr().out


def test_evaluate_checker_prints_the_scores_of_the_checker(capsys):
    assert main(["bangla", "evaluate-checker", "--half", "all", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["sentences"]["sentences"] >= 300
    assert scores["sentences"]["precision"] >= 0.95


def test_tokenizers_prints_words_per_window_and_a_warning(letter, tmp_path, capsys):
    characters = sorted(set(normalise(LETTER)) | {" "})
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(characters)}, merges=[]))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    command = ["bangla", "tokenizers", str(tmp_path), "--text", str(letter), "--window", "100"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "in 100 tokens" in out
    assert "above 4 tokens per word" in out
    assert main([*command[:-1], "0"]) == 2
