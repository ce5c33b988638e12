"""The checker reports faults of agreement, mixing and register, and accepts correct sentences."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from bangla_labelled import measure_letters, measure_sentences
from case_table import table

import scionwood_bangla
from bangla_checker import OptionError, check_text, normalise


def faults_in(text: str, *register: str) -> list[tuple[str, str]]:
    findings = check_text(text, register or None, chandrabindu=True)
    return [(f.rule, f.word) for f in findings.faults]


def n(*pairs: tuple[str, str]) -> list[tuple[str, str]]:
    return [(rule, normalise(word)) for rule, word in pairs]


@table(
    ("text", "wanted"),
    [
        ("আপনি কেমন আছ?", n(("agreement", "আছ"))),
        ("কেমন আছ আপনি?", n(("agreement", "আছ"))),
        ("আপনি কাল কী বললে?", n(("agreement", "বললে"))),
        ("তিনি এই বইটি পড়ে।", n(("agreement", "পড়ে"))),
        ("তারা বক্তৃতা দিয়েছেন।", n(("chandrabindu", "দিয়েছেন"))),
        ("আপনাকে ধন্যবাদ। তোমার কথা মনে থাকবে।", n(("mixing", "তোমার"))),
        ("আপনার চিঠি পেয়েছি। কবে আসছ?", n(("addressee", "আসছ"))),
        ("জনাব, তোমার কাছে আমার নিবেদন আছে।", n(("vocative", "তোমার"))),
        ("আপনি একটু সামলাও।", n(("agreement", "সামলাও"))),
        ("আপনি কাপড় শুকাও।", n(("agreement", "শুকাও"))),
        ("আপনি আলো নেভাও।", n(("agreement", "নেভাও"))),
        ("তুমি জল ঢালুন।", n(("agreement", "ঢালুন"))),
        ("মাননীয় প্রধান শিক্ষক এসেছে।", n(("agreement", "এসেছে"))),
        ("রহিম: তুই কোথায়?\nকরিম: স্যার, আপনি কেমন আছ?", n(("agreement", "আছ"))),
    ],
)
def test_reports_each_fault_with_its_rule(text, wanted):
    assert faults_in(text) == wanted


@table(
    "text",
    [
        "তিনি বইটি পড়েন। তুমি পড়ো।",  # the polite second and the honorific third person share forms
        "আপনি বললে আমি যাব।",  # a conditional is not a past of `tumi`
        "আপনি যেতে চান।",  # an infinitive is not its habitual past
        "আপনি বই পড়ে ঘুমান।",  # a participle is not the present of `se`
        'তিনি বললেন, "তুমি বসো।" আপনি তখন কোথায় ছিলেন?',
        "শিক্ষক বললেন, তোমরা বসো। আপনি কি শুনেছেন?",
        "স্যার, আপনি বসুন। রহিম, তুমি চা আনো।",
        "তোমার মা কেমন আছেন?",
        "ঈশ্বর তোমার মঙ্গল করুন।",
        "তুমি ও তোমার বাবা কাল আসবেন।",
        "সে কথা আপনি বলেছেন।",
        "মা: তুই কোথায়?\nশিক্ষক: আপনি কে?",
        "তুমি চলে গেলে আমি একা।",  # a conditional after a participle ends the clause
        "তুমি পানি খাও।",  # "water" is not a negated verb
        "আপনি কেনো এসেছেন?",  # another spelling of "why" is not an imperative of "buy"
        "সাঁতার শেখা তোমার দরকার।",  # a verbal noun is not a command
        "আপনি কি সেই বই পড়েছেন?",  # "that" is not "he"
        "তিনি আজ বাড়িতে নেই।",  # "is not" has one form for all subjects
        "আমরা নেই, তুমিও নাই।",
        "তিনি যা চান তাই হয়।",  # "what he wants happens"
        "তার চোখে কিছু পড়ে না। তিনি ভালো কিছু চোখে পড়ে না বলে দুঃখিত।",
        "বইটি তিনি ছদ্মনামে নয়, স্বনামে প্রকাশ করেছেন।",
        "তুমি চা অথবা কফি নিতে পারো।",  # "tea" is not a verb
        "সত্যবাদিতা তাকে সমাজে সম্মানিত করেছে।",  # "honoured" is no title here
        "- তুমি কেমন আছ?\n- ভালো আছি। আপনি?",  # a line with a dash is a voice of its own
        "আপনি জানেন যে রহিম ভালো আছে।",  # a clause with a noun as its subject
        "তিনি মনে করেন যদি বৃষ্টি হয় তবে ধান ভালো হবে।",
    ],
)
def test_accepts_correct_sentences(text):
    assert faults_in(text) == []


def test_suggests_the_same_tense_at_the_right_level():
    (fault,) = check_text("আপনি কোথায় গিয়েছিলে?").faults
    assert fault.suggestions == (normalise("গিয়েছিলেন"),)
    (fault,) = check_text("আপনাকে ধন্যবাদ। আপনি ভালো। তোমাকে দেখব।").faults
    assert fault.suggestions == ("আপনাকে",)


def test_positions_refer_to_the_normalised_text():
    result = check_text("আপনি ক\u09c7\u09beথায় গিয়\u09c7ছ?")
    (fault,) = result.faults
    assert result.text[fault.start : fault.end] == fault.word


def test_an_ambiguous_verb_without_a_subject_is_undecided():
    result = check_text("তুমি এসেছিলে। বইটি নিয়ে গেছেন।")
    assert [item.word for item in result.undecided] == ["গেছেন"]
    assert result.faults == []


@table(
    ("register", "rules"),
    [
        (("apni",), []),
        (("tumi", "apni"), []),
        (("tumi",), ["over_formal", "over_formal"]),
        (("tui", "tumi"), ["over_formal", "over_formal"]),
    ],
)
def test_a_register_can_accept_several_levels(register, rules):
    text = "আপনি বসুন। আপনার বই নিন।"
    assert [rule for rule, _ in faults_in(text, *register)] == rules


def test_a_level_below_the_accepted_levels_is_a_fault():
    assert faults_in("তোর বই কোথায়?", "tumi", "apni") == n(("register", "তোর"))


@pytest.mark.parametrize("register", [("vous",), ()])
def test_refuses_an_invalid_register(register):
    with pytest.raises(OptionError, match="level"):
        check_text("আপনি বসুন।", register)


@pytest.mark.parametrize(
    ("closing", "faults"),
    [("করবে", n(("vocative", "করবে"))), ("করবেন", [])],
)
def test_a_request_in_a_formal_letter_addresses_its_reader(closing, faults):
    letter = "বরাবর,\nপ্রধান শিক্ষক\nবিষয়: ছুটির আবেদন\nজনাব,\nআমি অসুস্থ। আমাকে দুই দিনের ছুটি দিয়ে বাধিত"
    assert faults_in(f"{letter} {closing}।\nবিনীত\nরহিম") == faults


def test_long_prose_compares_a_word_with_its_neighbours_only():
    paragraph = "রাতে খুব বৃষ্টি পড়ল আর নদীর জল অনেক দূর পর্যন্ত উঠে এল। " * 15
    apart = f"আপনার চিঠি পেয়েছি। {paragraph} তোমার কথা মনে পড়ে।"
    assert faults_in(apart) == []  # another addressee, as far as anybody can tell
    near = f"{paragraph} আপনার চিঠি আর তোমার ছবি পেয়েছি।"
    assert ("mixing", "তোমার") in faults_in(near)


def test_a_missing_chandrabindu_is_reported_only_on_request():
    text = "তারা বক্তৃতা দিয়েছেন।"
    assert check_text(text).faults == []
    assert check_text(text).agreeing == 1
    assert [f.rule for f in check_text(text, chandrabindu=True).faults] == ["chandrabindu"]


def test_a_long_line_takes_linear_work():
    # The work is counted, not timed: every verb is judged exactly once.
    result = check_text("আপনি রোজ বই পড়েন, তিনি গান শোনেন এবং আমি একা ঘরে থাকি " * 500)
    assert result.judged == result.agreeing == 1500
    assert result.faults == []


def test_a_word_of_100_000_letters_is_one_word_and_no_words_have_no_faults():
    assert check_text("আপনি " + "ক" * 100_000 + " আছ।").judged == 1
    for text in ("ক" * 100_000, "", "   \n", "...", "123", "hello"):
        assert check_text(text).faults == []


@pytest.mark.parametrize("half", ["dev", "test"])
def test_scores_on_labelled_sentences_and_letters(half):
    scores = measure_sentences(half)
    assert scores["precision"] >= 0.95
    assert scores["recall"] >= 0.90
    assert scores["false_positives_trap"] <= 0.05
    assert 0 < scores["abstention"] < 0.5
    assert measure_letters(half)["f1"] >= 0.95


def test_all_files_of_the_package_are_in_nfc():
    # A composed yya in a table would never match a normalised word, without any error.
    folder = Path(scionwood_bangla.__file__).parent
    for path in [*folder.rglob("*.py"), *folder.rglob("*.tsv"), *folder.rglob("*.jsonl")]:
        text = path.read_text("utf-8")
        assert unicodedata.is_normalized("NFC", text), path
