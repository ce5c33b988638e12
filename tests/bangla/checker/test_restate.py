"""Restating a text at another level, mixing its levels, and what SARIF and a diff say of it."""

from random import Random

from case_table import table

from bangla_checker import (
    LEVELS,
    as_sarif,
    check_text,
    count_faults,
    is_right,
    mix_levels,
    normalise,
    restate,
    rewrite,
)
from bangla_checker.reports.places import Places
from bangla_checker.rewriter.fix import diff, level_of

SAID = {
    "tui": normalise("তোকে ধন্যবাদ। তুই কি বইটা পড়েছিস? কাল আসছিস।"),
    "tumi": normalise("তোমাকে ধন্যবাদ। তুমি কি বইটা পড়েছ? কাল আসছ।"),
    "apni": normalise("আপনাকে ধন্যবাদ। আপনি কি বইটা পড়েছেন? কাল আসছেন।"),
}
ORDER = normalise("তোমাকে ধন্যবাদ। তুমি কি বইটা পড়েছ? কাল এসো।")


@table("level", LEVELS)
@table("start", LEVELS)
def test_restates_a_text_at_any_level(start, level):
    restated = restate(SAID[start], level)
    assert restated is not None
    assert is_right(restated, frozenset({level}))
    assert [w for w in restated.split() if w in SAID[start].split()]  # other words stay
    if start == level:
        assert restated == SAID[start]


def test_an_order_stays_and_its_sentence_with_it():
    """The other sentences are rewritten; texts that are meant to be wrong take any form."""
    result = rewrite(ORDER, "apni")
    assert result.text == SAID["apni"].replace("আসছেন", "এসো")
    assert not result.complete
    assert restate(ORDER, "apni") is None
    assert restate(ORDER, "apni", certain=False) == SAID["apni"].replace("আসছেন", "আসুন")


def test_a_respectful_vocative_allows_no_other_level():
    assert restate("স্যার, আপনি কি কাল আসবেন?", "tui") is None
    assert restate("বৃষ্টি হচ্ছে।", "tui") is None


def test_mixing_levels_adds_a_fault_and_keeps_the_other_words():
    texts = {mix_levels(SAID["apni"], Random(seed)) for seed in range(8)}
    assert len(texts) > 3
    for text in texts:
        assert text is not None
        assert count_faults(text, frozenset(LEVELS)) > 0
        assert "বইটা" in text
    assert mix_levels("বৃষ্টি হচ্ছে।", Random(0)) is None


@table(
    "text",
    [
        "ভালো।\nআপনি কেমন আছ?",
        "ভালো।\r\nআপনি কেমন আছ?",  # another line end
        "য\u09bcদি।\nআপনি\u200d কেমন আছ?",  # a joiner that the normaliser drops
        "\u09dfদি |\nআপনি ক\u09c7\u09aeন আছ?",  # a composed letter, and a stroke as danda
    ],
    ids=["plain", "crlf", "joiner", "composed"],
)
def test_a_region_is_where_the_word_is_in_the_file(text):
    log = as_sarif([(check_text(text), text, "letter.txt")])
    (result,) = log["runs"][0]["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["endLine"]) == (2, 2)
    line = text.splitlines()[1]
    assert line[region["startColumn"] - 1 : region["endColumn"] - 1] == "আছ"
    change = result["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert change["insertedContent"]["text"] == normalise("আছেন")
    assert result["ruleId"] in {rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]}


def test_a_text_whose_lines_change_is_still_aligned():
    places = Places(normalise("ক\nখ গ"), "ক\r\nখ গ")
    assert places.line_and_column(4) == (2, 3)
    assert Places("", "").line_and_column(0) == (1, 1)


@table(
    ("text", "register", "level"),
    [
        ("স্যার, তুমি কবে আসবে?", None, "apni"),
        ("তুমি এসো। তুমি বসো। আপনি কই?", None, "tumi"),
        ("তুমি এসো।", ["apni"], "apni"),
        ("আকাশ নীল।", None, None),
    ],
)
def test_the_level_of_a_fix(text, register, level):
    assert level_of(normalise(text), register) == level


def test_a_fixed_text_has_no_fault_and_the_diff_shows_the_lines():
    before = normalise("তুমি কেমন আছেন?\nআমি ভালো আছি।\n")
    after = rewrite(before, "apni").text
    assert not check_text(after, ["apni"]).faults
    shown = diff(before, after, "letter.txt")
    assert normalise("-তুমি কেমন আছেন?") in shown
    assert normalise("+আপনি কেমন আছেন?") in shown
    assert diff(after, after, "letter.txt") == ""
    assert restate(normalise("জনাব, আপনি আসুন।"), "tui") is None
