"""SARIF and the rewritten text: positions are those of the file, and fixes lead to no fault."""

from __future__ import annotations

from case_table import table

from scionwood_bangla.checker import check_text
from scionwood_bangla.checker.fix import diff, level_of
from scionwood_bangla.checker.restate import restate, rewrite
from scionwood_bangla.checker.sarif import Places, as_sarif
from scionwood_bangla.text.normalise import normalise


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
    log = as_sarif(check_text(text), text, "letter.txt")
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
