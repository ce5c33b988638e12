"""The commands check and score."""

import io
import json
import sys

import pytest
from case_table import table

from bangla_checker import normalise
from scionwood.cli import main

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


def test_check_reads_standard_input_and_writes_no_file_then(monkeypatch, capsys):
    def given(*words):
        """Give the text as bytes, whatever the encoding of the terminal."""
        stream = io.TextIOWrapper(io.BytesIO("আপনি একটু সামলাও।".encode()), "ascii")
        monkeypatch.setattr(sys, "stdin", stream)
        return main(["bangla", "check", "-", *words])

    assert given("--exit-zero") == 0
    assert "suggestion: সামলান" in capsys.readouterr().out
    assert given("--fix") == 0
    out = capsys.readouterr().out
    assert out.startswith("--- stdin")
    assert "+আপনি একটু সামলান।" in out
    assert given("--fix", "--write") == 2
    assert "standard input is none" in capsys.readouterr().err


def test_check_prints_json_whose_positions_fit_its_text(letter, capsys):
    words = ["bangla", "check", str(letter), "--json", "--register", "apni", "--exit-zero"]
    assert main(words) == 0
    record = json.loads(capsys.readouterr().out)
    rules = [fault["rule"] for fault in record["faults"]]
    assert rules == ["structure", "agreement", "register"]
    for fault in record["faults"][1:]:
        assert record["text"][fault["start"] : fault["end"]] == fault["word"]
    assert record["levels"] == ["apni", "tumi"]


@table(
    ("text", "status", "said"),
    [
        ("তিনি কলিকাতায় গিয়াছেন।", 0, "the style is literary"),
        ("আপনি কেমন আছ?", 0, "\n1 fault; undecided: 0 of 1 verb\n"),  # in the singular
        ("Dear Sir, I am ill.", 2, "most are Latin"),
    ],
)
def test_check_states_the_style_counts_faults_and_refuses_other_texts(
    text, status, said, tmp_path, capsys
):
    path = tmp_path / "line.txt"
    path.write_text(text, "utf-8")
    assert main(["bangla", "check", str(path), "--exit-zero"]) == status
    assert said in "".join(capsys.readouterr())


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


def test_fix_shows_the_changes_and_writes_them_on_request(tmp_path, capsys):
    path = tmp_path / "line.txt"
    path.write_text("তুমি কেমন আছেন?\n", "utf-8")
    words = ["bangla", "check", str(path), "--register", "apni", "--fix"]
    assert main(words) == 0
    assert normalise("+আপনি কেমন আছেন?") in capsys.readouterr().out
    assert path.read_text("utf-8").startswith("তুমি")
    assert main([*words, "--write"]) == 0
    assert path.read_text("utf-8") == normalise("আপনি কেমন আছেন?\n")
    capsys.readouterr()
    assert main(words) == 0
    assert capsys.readouterr().out == "nothing to fix\n"


def test_a_text_that_cannot_be_fixed_says_so_and_is_not_written(tmp_path, capsys):
    path = tmp_path / "line.txt"
    path.write_text("জনাব, আপনি আসুন।", "utf-8")
    words = ["bangla", "check", str(path), "--register", "tui", "--fix", "--write"]
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 1
    assert "not fixed" in capsys.readouterr().out
    assert path.read_text("utf-8") == "জনাব, আপনি আসুন।"


def test_json_has_lines_and_columns(letter, capsys):
    assert main(["bangla", "check", str(letter), "--json", "--exit-zero"]) == 0
    fault = json.loads(capsys.readouterr().out)["faults"][-1]
    line = LETTER.splitlines()[fault["line"] - 1]
    assert normalise(line[fault["column"] - 1 :]).startswith(fault["word"])


@table("extra", [["--write"], ["--fix", "--json"]])
def test_options_of_check_that_exclude_each_other_are_refused(letter, extra, capsys):
    assert main(["bangla", "check", str(letter), *extra]) == 2
    assert "only one of" in capsys.readouterr().err
