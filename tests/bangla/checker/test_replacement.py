"""A proposal keeps the ending, the mood and the speaker; else a question is asked."""

from __future__ import annotations

import json

import pytest
from case_table import table

from bangla_checker import (
    LEVELS,
    Fault,
    check_text,
    forms,
    inflect,
    normalise,
    pronoun_of,
    readings,
    rewrite,
    verb_names,
)
from bangla_checker.checks.replacement import pronoun_instead, verb_instead
from bangla_checker.editor import OpenText
from scionwood.cli import main

NEGATED = {
    "জানাওনি": "জানাননি",
    "করনি": "করেননি",
    "করোনি": "করেননি",
    "দেখোনি": "দেখেননি",
    "লেখোনি": "লেখেননি",
    "শোনোনি": "শোনেননি",
    "খাওনি": "খাননি",
    "যাওনি": "যাননি",
    "দাওনি": "দেননি",
    "নাওনি": "নেননি",
    "চাওনি": "চাননি",
    "পাওনি": "পাননি",
    "পাঠাওনি": "পাঠাননি",
    "আসোনি": "আসেননি",
    "বলোনি": "বলেননি",
    "রাখোনি": "রাখেননি",
    "করিসনি": "করেননি",
    "জানাসনি": "জানাননি",
    "যাসনি": "যাননি",
    "খাসনি": "খাননি",
}
"""Negated forms of তুমি and তুই, and those of আপনি, by hand."""
ENDINGS = ("নি", "না", "ই", "ও", "তো")


def one_fault(text: str, register: list[str] | None = None) -> Fault:
    (fault,) = check_text(text, register).faults
    return fault


@table("word", NEGATED)
def test_a_negation_stays(word):
    wanted = normalise(NEGATED[word])
    assert one_fault(f"আপনি এখনও কিছু {word}।").suggestions == (wanted,)
    assert rewrite(f"আপনি এখনও কিছু {word}।", "apni").text == normalise(f"আপনি এখনও কিছু {wanted}।")


@pytest.mark.parametrize("target", LEVELS)
def test_no_form_of_any_verb_loses_its_ending_or_mood(target):
    """All forms of all verbs at the other levels, with each ending; judged by the paradigm."""
    proposals = questions = 0
    for form, group in forms().items():
        subjects = {reading.subject for reading in group}
        if not subjects & set(LEVELS) or target in subjects:
            continue
        for ending in ("", *ENDINGS):
            word = form + ending
            if ending and (word in forms() or not readings(word)):
                continue
            own = readings(word)
            instead = verb_instead(word, own, target)
            assert bool(instead.form) != bool(instead.doubt)
            questions += not instead.form
            proposals += bool(instead.form)
            if not instead.form:
                continue
            assert instead.form.endswith(ending), (word, instead)
            bare = instead.form.removesuffix(ending)
            theirs = {(r.verb, r.tense) for r in forms()[bare] if r.subject == target}
            said = {(r.verb, r.tense) for r in own if r.subject in LEVELS and not r.literary}
            said = {cell for cell in said if ending != "নি" or cell[1] == "present"}
            assert said <= theirs, (word, instead)
    assert proposals > 2000
    assert questions > 1000


def test_an_order_becomes_no_statement_and_a_statement_no_order():
    """Of each verb, the order of তুমি after আপনি, and that of আপনি after তুমি."""
    asked = 0
    for verb in verb_names():
        for subject, target in (("tumi", "apni"), ("apni", "tumi"), ("tui", "apni")):
            for form in inflect(verb, "imperative", subject):
                new = verb_instead(form, readings(form), target).form
                asked += not new
                if not new:
                    continue
                moods = {r.tense for r in readings(form) if r.subject in LEVELS}
                kept = {r.tense for r in forms()[new] if r.subject == target}
                assert moods <= kept, (form, new)
    assert asked > 100
    fault = one_fault("আপনি এই কাজটা করো।")
    assert fault.suggestions == ()
    assert "imperative or present" in fault.question
    assert one_fault("আপনি কাল সেখানে যাও।").suggestions == (normalise("যান"),)


@pytest.mark.parametrize("ending", ["ই", "ও"])
def test_a_pronoun_keeps_its_ending(ending):
    for form in ("তুমি", "তোমার", "তোমাকে", "তোমরা", "তোমাদের"):
        word = normalise(form + ending)
        pronoun = pronoun_of(word)
        assert pronoun is not None
        new = pronoun_instead(word, pronoun, "apni").form
        assert new.endswith(ending)
        assert pronoun_of(new).subject == "apni"
        assert pronoun_of(new).case == pronoun.case


QUOTATIONS = (
    'রহিম বলল, "তুমি কাজটা করছ।" আপনি শুনছেন?',
    "রহিম বলল, তুমি কাজটা করছ। আপনি শুনছেন?",
    "আপনি শুনছেন?\n- তুমি কাজটা করছ।\n- হ্যাঁ, করছি।",
)


@table("text", QUOTATIONS)
def test_quoted_speech_stays(text):
    (fault,) = check_text(text, ["apni"]).faults
    assert (fault.word, fault.suggestions) == ("তুমি", ())
    assert "it is quoted" in fault.question
    assert rewrite(text, "apni").text == normalise(text)
    changed = rewrite(text.replace("আপনি শুনছেন", "তুমি শুনছ"), "apni")
    assert changed.text == normalise(text)
    assert changed.complete


LETTER = "তুমি কেমন আছ?\nতুমি কাজটা করো।\nরহিম বলল, তুমি যাচ্ছ।\n"


def test_check_fix_and_reports_ask_and_propose_nothing(tmp_path, capsys):
    """One mechanism: the printed check, JSON and --fix; the rest is rewritten."""
    path = tmp_path / "letter.txt"
    path.write_text(LETTER, "utf-8")
    words = ["bangla", "check", str(path), "--register", "apni", "--exit-zero"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert printed.count("question: what should") == 1
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["faults"]
    assert [bool(fault["question"]) for fault in found] == [not f["suggestions"] for f in found]
    assert all("forms" not in fault for fault in found)
    assert main([*words, "--fix", "--write"]) == 0
    printed = capsys.readouterr().out
    assert normalise("+আপনি কেমন আছেন?") in printed
    assert "not fixed: line 2: what should করো be? its mood is not certain" in printed
    assert "not fixed: line 3: what should তুমি be? it is quoted" in printed
    after = normalise(LETTER).replace("তুমি কেমন আছ", "আপনি কেমন আছেন")
    assert path.read_text("utf-8") == after


def test_the_editor_asks_and_offers_no_word():
    text = "আপনি কাজটা করো। আপনি কেমন আছ?"
    page = OpenText(text, frozenset({"apni"}))
    messages = [each["message"] for each in page.diagnostics()]
    assert ["so nothing is proposed" in message for message in messages] == [True, False]
    whole = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": len(text)}}
    actions = list(page.actions("file:///a.txt", whole))
    assert [action["title"] for action in actions] == [
        normalise("Write আছেন"),
        "Address everybody at the level apni where the meaning is certain",
    ]
    ((edit,),) = actions[1]["edit"]["changes"].values()
    assert edit["newText"] == normalise("আপনি কাজটা করো। আপনি কেমন আছেন?")
