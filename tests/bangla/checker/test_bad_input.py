"""Texts that the checker was not made for: it marks the style, abstains, or separates speakers."""

from case_table import table

from bangla_checker import as_json, as_text, check_text, normalise
from bangla_checker.checks.tokens import tokenise
from bangla_checker.lexicon.dialect import is_regional
from bangla_checker.reports.report import style

NO_FAULT = {
    "sadhu": "তিনি কলিকাতায় গিয়াছেন। তাঁহাকে আমি চিঠি লিখিয়াছি। তুমি কি তাহা জান?",
    "sadhu and chalit": "তিনি কলিকাতায় গিয়াছেন। আমি তাকে চিঠি লিখেছি। আপনি আসিবেন এবং খাবেন।",
    "dialect": "তুমি কই যাইতাছ? আমি তো কইলাম, হেয় আইবো না। আমি ভাত খামু।",
    "another dialect": "তুই কিতা করতেছস? আফনে বালা আছেননি?",
    "english words": "আপনি কি meeting এ join করবেন? Please আমাকে inform করুন। তিনি late করবেন।",
    "poetry": "তুমি রবে নীরবে হৃদয়ে মম\nনিবিড় নিভৃত পূর্ণিমা নিশীথিনী-সম\nতুমি ভরিবে গৌরবে",
    "no punctuation": (
        "আমি কাল গিয়েছিলাম তুমি কেমন আছ আমি ভালো আছি তিনি বলেছেন আপনি আসবেন সে আসেনি আমরা গেলাম"
    ),
    "visarga for colon": "সে বললঃ তুমি আসবে। তিনি বললেনঃ আপনি আসুন।",
}
LABELS = [
    ("রহিম: ", "করিম: "),
    ("রহিম : ", "করিম : "),
    ("১. রহিম: ", "২. করিম: "),
    ("**রহিম:** ", "**করিম:** "),
    ("Rahim: ", "Karim: "),
    ("রহিম - ", "করিম - "),
    ("রহিম—", "করিম—"),
    ("[রহিম] ", "[করিম] "),
    ("<রহিম> ", "<করিম> "),
    ("রহিম (হেসে): ", "করিম (রেগে): "),
    ("ডা. রহিম: ", "মো. করিম হোসেন: "),
    ("রহিমঃ ", "করিমঃ "),
    ("প্রথম ব্যক্তি: ", "দ্বিতীয় ব্যক্তি: "),
    ("- ", "- "),
    ("রহিম\n", "করিম\n"),
    ("রহিম -> ", "করিম -> "),
    ("রহিম=>", "করিম=>"),
    ("রহিম → ", "করিম → "),
    ("ক) ", "খ) "),
]


@table("kind", NO_FAULT)
def test_such_a_text_has_no_fault(kind):
    assert check_text(NO_FAULT[kind]).faults == []


def test_a_mixture_of_styles_is_marked():
    findings = check_text(NO_FAULT["sadhu and chalit"])
    assert style(findings) == "mixed"
    assert "note: the style is mixed" in as_text(findings)


def test_verbs_beside_a_regional_form_are_not_judged_and_the_forms_are_noted():
    plain = "আপনি কেমন আছ?"
    assert [fault.word for fault in check_text(plain).faults] == ["আছ"]
    findings = check_text("হুনছি আপনি ভালো আছ না। তিনি যাইতাছেন।")
    assert findings.faults == []
    assert "its sentence has a regional form" in findings.undecided[0].reason
    assert [*findings.regional] == [*map(normalise, ("হুনছি", "যাইতাছেন"))]
    assert "note: regional forms (" in as_text(findings)
    assert as_json(findings)["regional"] == findings.regional
    # Its pronouns are standard, and so are the other sentences of the text.
    other = check_text("তুমি কই যাইতাছ? তুমি কেমন আছেন?", ["tui"])
    assert [(fault.rule, fault.start) for fault in other.faults] == [
        ("over_formal", 0),
        ("over_formal", 16),
        ("agreement", 26),
    ]


def test_standard_and_literary_forms_are_not_regional():
    words = "করিতেছি যাচ্ছি খাইলাম আসিতেছেন কয়েন হেয় বুঝবার খাচ্ছি আছিস আপনার"
    assert not any(map(is_regional, normalise(words).split()))


def test_a_text_without_punctuation_is_noted_and_its_register_is_still_checked():
    text = NO_FAULT["no punctuation"]
    assert "note: no punctuation" in as_text(check_text(text))
    rules = {fault.rule for fault in check_text(text, ["tumi"]).faults}
    assert rules == {"over_formal"}


@table("labels", LABELS)
def test_speakers_are_told_apart_by_labels_of_any_kind(labels):
    first, second = labels
    lines = [f"{first}তুই কোথায়?", f"{second}আপনি কেমন আছেন?", f"{first}তুই আয়।"]
    assert check_text("\n".join(lines)).faults == []
    wrong = check_text("\n".join([*lines, f"{second}আপনি কেমন আছ?"])).faults
    assert [fault.word for fault in wrong] == ["আছ"]


def test_speakers_within_a_line_are_told_apart_if_one_comes_back():
    first = "রহিম: তুই কোথায় যাস? রহিম: স্যার, আপনি কেমন আছেন? করিম: তুমি কই?"
    assert check_text(first).faults == []
    assert [fault.word for fault in check_text(f"{first} রহিম: আপনি যাও।").faults] == ["যাও"]
    prose = normalise("আমার কথা: তুমি এসো। কারণ: আমি একা। ফল: রাত হল।")
    assert {token.voice for token in tokenise(prose)} == {0}


def test_dashes_in_prose_and_headings_of_a_letter_are_no_labels():
    prose = normalise("রহিম - আমার বন্ধু - এল।\nআমরা গেলাম।\nকরিম - সে-ও এল।\nরাত হল।")
    assert {token.voice for token in tokenise(prose)} == {0}
    letter = normalise("বিষয়: ছুটি\nতারিখ: ১২ মে\nরহিম: তুই কই?")
    assert {token.voice for token in tokenise(letter)} == {0}


def test_a_visarga_inside_a_word_or_behind_a_noun_stays():
    words = [token.text for token in tokenise(normalise("দুঃখ পুনঃ অন্ততঃ"))]
    assert words == [normalise(word) for word in ("দুঃখ", "পুনঃ", "অন্ততঃ")]


def test_lines_of_a_poem_are_no_speakers():
    poem = normalise("আমি একা\nতুমি দূরে\nরাত নামে ধীরে\nআমি একা\nতারা জ্বলে নীরে")
    assert {token.voice for token in tokenise(poem)} == {0}
