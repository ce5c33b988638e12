"""Analysis and generation are inverse to each other, over the whole paradigm."""

from __future__ import annotations

from itertools import islice

import pytest
from case_table import table

from bangla_checker import TENSES, inflect, normalise, readings
from bangla_checker.lexicon.morphology import ENDINGS, Analysis, analyse, fits, generate
from bangla_checker.lexicon.paradigm import forms


def is_inverse(step: int) -> int:
    """Go from forms to analyses and back, and return the number of words."""
    words = 0
    for form in islice(forms(), 0, None, step):
        for ending in ("", *ENDINGS) if len(form) > 1 else ("",):
            cells = {Analysis(r, ending) for r in forms()[form] if fits(r, ending)}
            found = analyse(form + ending)
            assert cells <= set(found), form + ending
            assert all(form + ending in generate(analysis) for analysis in found), form + ending
            words += bool(cells)
    return words


def test_a_form_comes_back_from_each_of_its_analyses():
    assert is_inverse(97) > 6000


@pytest.mark.slow
def test_every_form_of_every_verb_comes_back_with_every_ending():
    assert is_inverse(1) > 500_000


@table(
    ("word", "verb", "tense", "subject", "ending"),
    [
        ("করেননি", "করা", "present", "apni", "নি"),
        ("করিইনি", "করা", "present", "ami", "ইনি"),
        ("যাবেনইনা", "যাওয়া", "future", "apni", "ইনা"),
        ("দেখোনিতো", "দেখা", "present", "tumi", "নিতো"),
        ("জানিনাকো", "জানা", "present", "ami", "নাকো"),
        ("এসছে", "আসা", "perfect", "se", ""),  # an everyday contraction
        ("কচ্ছি", "করা", "continuous", "ami", ""),
        ("করিও", "করা", "future_imperative", "tumi", ""),  # the literary style
        ("নহেন", "নয়", "present", "apni", ""),
        ("ভুগছিলেন", "ভোগা", "past_continuous", "tini", ""),
    ],
)
def test_a_word_is_analysed_with_its_ending(word, verb, tense, subject, ending):
    found = [(a.reading[:3], a.ending) for a in analyse(normalise(word))]
    assert ((normalise(verb), tense, subject), normalise(ending)) in found


def test_negation_stands_behind_finite_forms_of_the_right_tense():
    assert analyse("করবেননি") == ()
    assert {a.reading.tense for a in analyse("করেনি")} == {"present"}
    assert all(a.reading.subject for a in analyse("করতেনা"))


def test_a_rare_verb_is_read_by_its_clear_forms_only():
    assert readings("মেতেছে")
    assert readings("পাতা") == ()
    assert inflect("মাতা", "imperative", "tui") == ("মাত",)


def test_every_tense_has_all_its_persons():
    for tense in TENSES:
        for subject in ("tui", "tumi", "se", "apni", "tini", "ami"):
            ordered = tense.endswith("imperative")
            assert bool(inflect("করা", tense, subject)) != (ordered and subject == "ami") or (
                tense == "future_imperative" and subject == "ami"
            )
