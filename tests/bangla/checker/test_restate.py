"""Restating a text at another level, and where it is in its file."""

from case_table import table

from bangla_checker import (
    LEVELS,
    check_text,
    is_right,
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


def test_a_pronoun_changes_with_all_its_verbs_or_not_at_all():
    """The second sentence may be a statement or an order, so it stays, and is a question."""
    text = "তুমি ভাত খেয়েছ আর এখন ঘুমাচ্ছ। তুমি কাজটা করো। তুমি কাল যাবে?"
    result = rewrite(text, "apni")
    wanted = "আপনি ভাত খেয়েছেন আর এখন ঘুমাচ্ছেন। তুমি কাজটা করো। আপনি কাল যাবেন?"
    assert result.text == normalise(wanted)
    assert not result.complete
    assert [fault.word for fault in result.questions] == [normalise("করো")]


ORDERS = {
    "তোমার চিঠি পেয়েছি। এখনই এসো।": ("apni", "আপনার চিঠি পেয়েছি। এখনই আসুন।"),
    "তোমার চিঠি পেয়েছি। চিন্তা করো না।": ("apni", "আপনার চিঠি পেয়েছি। চিন্তা করবেন না।"),
    "আপনার চিঠি পেয়েছি। সেখানে যান।": ("tumi", "তোমার চিঠি পেয়েছি। সেখানে যাও।"),
    "তোর চিঠি পেয়েছি। ভাত খা।": ("apni", "আপনার চিঠি পেয়েছি। ভাত খান।"),
    "তুমি কি ভাত খাও?": ("apni", "আপনি কি ভাত খান?"),  # no order, but a question
    "তুমি রোজ ভাত খাও।": ("apni", "আপনি রোজ ভাত খান।"),  # a habit
    "তুমি দয়া করে এসো।": ("apni", "আপনি দয়া করে আসুন।"),
    "তুমি কাল গেলে।": ("apni", "আপনি কাল গেলেন।"),
    "তুমি গেলে আমি যাব।": ("apni", "আপনি গেলে আমি যাব।"),  # no statement, but a condition
    "তুমি ভাত খাওনি, তাই না?": ("apni", "আপনি ভাত খাননি, তাই না?"),
    "আপনার চিঠি পেয়েছি। টাকাটা পাঠান।": ("tumi", "তোমার চিঠি পেয়েছি। টাকাটা পাঠাও।"),
    "তোমাদেরকে দেখে ভালো লাগল।": ("apni", "আপনাদেরকে দেখে ভালো লাগল।"),
}


@table("text", ORDERS)
def test_an_order_stays_an_order_and_a_statement_a_statement(text):
    level, wanted = ORDERS[text]
    assert rewrite(text, level).text == normalise(wanted)


STAYS = {
    "another person": "আপনার চিঠি পেয়েছি। তিনি ভালো আছেন। পরে সেখানে যান।",
    "a heading": "তুমি রবে নীরবে\n\nকাল গান শুনলাম। ভালো লাগল।",
    "a verse": "গানটা শুনলাম।\nতুমি রবে নীরবে\nহৃদয়ে মম\nতুমি রবে নিভৃত\nভালো লাগল।",
    "a verb that may be left behind": "তুমি দেখলে যে তোমার মা কাজ করতে ব্যস্ত।",
    "a wish": "তুমি চাও না টম তোমাকে খুঁজে পাক।",
    "a title": "আমরা 'তুমি আসবে বলে' দেখলাম।",
}


@table("kind", STAYS)
def test_what_is_not_said_to_the_addressee_stays(kind):
    before = normalise(STAYS[kind])
    level = "tumi" if kind == "another person" else "apni"
    after = rewrite(before, level).text
    assert after == before.replace("আপনার", "তোমার") if level == "tumi" else after == before


def test_a_respectful_vocative_allows_no_other_level():
    assert restate("স্যার, আপনি কি কাল আসবেন?", "tui") is None
    assert restate("বৃষ্টি হচ্ছে।", "tui") is None


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
def test_a_place_is_where_the_word_is_in_the_file(text):
    findings = check_text(text)
    (fault,) = findings.faults
    places = Places(findings.text, text)
    line, column = places.line_and_column(fault.start)
    last, end = places.line_and_column(fault.end)
    assert (line, last) == (2, 2)
    assert text.splitlines()[1][column - 1 : end - 1] == "আছ"


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
