"""Scores of a corpus. Polite answers to everybody do not score well."""

from __future__ import annotations

import json

import pytest
from case_table import table

from scionwood import ReadError
from scionwood_bangla.evaluation.corpus import read_corpus
from scionwood_bangla.evaluation.scores import SCORES, Score, score_texts

TEXTS = {
    "tui": "তুই কেমন আছিস? তোর বই পেয়েছি।",
    "tumi": "তুমি কেমন আছ? তোমার বই পেয়েছি।",
    "apni": "আপনি কেমন আছেন? আপনার বই পেয়েছি।",
}
LEVELS = [frozenset({level}) for level in TEXTS for _ in range(30)]


def value(rows: list[Score], score: str, register: str = "all") -> Score:
    (row,) = (r for r in rows if r.score == score and r.register == register)
    return row


def test_always_polite_answers_are_consistent_but_mostly_wrong():
    rows = score_texts([TEXTS["apni"]] * 90, LEVELS)
    assert value(rows, "consistent").value == 1.0
    assert value(rows, "register_match").value == pytest.approx(0.33, abs=0.01)
    assert value(rows, "over_formal").value == pytest.approx(0.67, abs=0.01)
    assert value(rows, "register_match", "apni").value == 1.0
    assert value(rows, "over_formal", "tui").value == 1.0


def test_answers_at_the_right_level_score_one():
    rows = score_texts([TEXTS[next(iter(level))] for level in LEVELS], LEVELS)
    assert value(rows, "register_match").value == 1.0
    assert value(rows, "over_formal").value == 0.0
    assert value(rows, "agreement").value == 1.0


def test_a_register_of_several_levels_accepts_each_of_them():
    both = [frozenset({"tumi", "apni"})] * 2
    rows = score_texts([TEXTS["tumi"], TEXTS["apni"]], both)
    assert value(rows, "register_match", "tumi,apni").value == 1.0


def test_intervals_contain_the_value_and_depend_on_the_seed():
    texts = [TEXTS["apni"]] * 90
    rows = score_texts(texts, LEVELS, seed=1)
    match = value(rows, "register_match")
    assert 0.2 < match.low < match.value < match.high < 0.5
    assert score_texts(texts, LEVELS, seed=1)[:3] == rows[:3]
    assert {row.score for row in rows} == set(SCORES)


def test_a_text_that_mixes_levels_is_neither_consistent_nor_a_match():
    rows = score_texts(["আপনার বই তোমার কাছে।"], [frozenset({"apni"})])
    assert value(rows, "pronoun_mixing").value == 1.0
    assert value(rows, "consistent").value == value(rows, "register_match").value == 0.0


def test_reads_a_corpus_from_json_lines(tmp_path):
    path = tmp_path / "corpus.jsonl"
    records = [
        {"text": TEXTS["apni"], "register": "apni"},
        {"completion": TEXTS["tui"] + "\u2028", "register": ["tui", "tumi"]},
    ]
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    path.write_text("\n".join(lines) + "\n\n", "utf-8")
    texts, registers = read_corpus(path)
    assert texts == [TEXTS["apni"], TEXTS["tui"] + "\u2028"]
    assert registers == [{"apni"}, {"tui", "tumi"}]


@table(
    ("line", "reason"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ('{"register": "apni"}', "text is missing or empty"),
        ('{"completion": "  ", "register": "apni"}', "empty"),
        ('{"text": "x"}', "register None"),
        ('{"text": "x", "register": "vous"}', "vous"),
        ("", "no texts"),
    ],
)
def test_names_an_invalid_line(tmp_path, line, reason):
    path = tmp_path / "corpus.jsonl"
    path.write_text(line, "utf-8")
    with pytest.raises(ReadError, match=reason):
        read_corpus(path)
