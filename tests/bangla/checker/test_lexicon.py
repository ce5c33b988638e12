"""Forms and readings of verbs, compared with grammar tables and a word list."""

from __future__ import annotations

from case_table import table

from bangla_checker import (
    SUBJECTS,
    TENSES,
    forms,
    inflect,
    normalise,
    pronoun_for,
    pronoun_of,
    readings,
    verb_names,
)
from bangla_checker.lexicon.words import homographs, never_verbs


def subjects(word: str) -> set[str | None]:
    return {reading.subject for reading in readings(normalise(word))}


PARADIGM = [  # one row for each stem alternation, from grammars of the standard colloquial language
    ("করা", "present", "করি করিস করো করেন করে করেন"),
    ("করা", "continuous", "করছি করছিস করছ করছেন করছে করছেন"),
    ("করা", "perfect", "করেছি করেছিস করেছ করেছেন করেছে করেছেন"),
    ("করা", "past", "করলাম করলি করলে করলেন করল করলেন"),
    ("করা", "habitual", "করতাম করতিস করতে করতেন করত করতেন"),
    ("করা", "past_continuous", "করছিলাম করছিলি করছিলে করছিলেন করছিল করছিলেন"),
    ("করা", "past_perfect", "করেছিলাম করেছিলি করেছিলে করেছিলেন করেছিল করেছিলেন"),
    ("করা", "future", "করব করবি করবে করবেন করবে করবেন"),
    ("করা", "imperative", "- কর করো করুন করুক করুন"),
    ("লেখা", "present", "লিখি লিখিস লেখো লেখেন লেখে লেখেন"),
    ("লেখা", "imperative", "- লেখ লেখো লিখুন লিখুক লিখুন"),
    ("শোনা", "perfect", "শুনেছি শুনেছিস শুনেছ শুনেছেন শুনেছে শুনেছেন"),
    ("শোনা", "present", "শুনি শুনিস শোনো শোনেন শোনে শোনেন"),
    ("রাখা", "perfect", "রেখেছি রেখেছিস রেখেছ রেখেছেন রেখেছে রেখেছেন"),
    ("খাওয়া", "past", "খেলাম খেলি খেলে খেলেন খেল খেলেন"),
    ("খাওয়া", "continuous", "খাচ্ছি খাচ্ছিস খাচ্ছ খাচ্ছেন খাচ্ছে খাচ্ছেন"),
    ("খাওয়া", "perfect", "খেয়েছি খেয়েছিস খেয়েছ খেয়েছেন খেয়েছে খেয়েছেন"),
    ("চাওয়া", "past", "চাইলাম চাইলি চাইলে চাইলেন চাইল চাইলেন"),
    ("যাওয়া", "past", "গেলাম গেলি গেলে গেলেন গেল গেলেন"),
    ("যাওয়া", "perfect", "গিয়েছি গিয়েছিস গিয়েছ গিয়েছেন গিয়েছে গিয়েছেন"),
    ("যাওয়া", "habitual", "যেতাম যেতিস যেতে যেতেন যেত যেতেন"),
    ("দেওয়া", "present", "দিই দিস দাও দেন দেয় দেন"),
    ("দেওয়া", "imperative", "- দে দাও দিন দিক দিন"),
    ("দেওয়া", "future", "দেব দিবি দেবে দেবেন দেবে দেবেন"),
    ("আসা", "imperative", "- আয় এসো আসুন আসুক আসুন"),
    ("আসা", "perfect", "এসেছি এসেছিস এসেছ এসেছেন এসেছে এসেছেন"),
    ("হওয়া", "imperative", "- হ হও হোন হোক হোন"),
    ("শোয়া", "present", "শুই শুস শোও শোন শোয় শোন"),
    ("আছে", "present", "আছি আছিস আছ আছেন আছে আছেন"),
    ("আছে", "past", "ছিলাম ছিলি ছিলে ছিলেন ছিল ছিলেন"),
    ("নয়", "present", "নই নস নও নন নয় নন"),
    ("শেখানো", "perfect", "শিখিয়েছি শিখিয়েছিস শিখিয়েছ শিখিয়েছেন শিখিয়েছে শিখিয়েছেন"),
    ("করানো", "present", "করাই করাস করাও করান করায় করান"),
    ("বেরোনো", "perfect", "বেরিয়েছি বেরিয়েছিস বেরিয়েছ বেরিয়েছেন বেরিয়েছে বেরিয়েছেন"),
]


@table(("verb", "tense", "row"), PARADIGM)
def test_a_verb_inflects_as_in_the_grammar(verb, tense, row):
    for subject, form in zip(SUBJECTS, normalise(row).split(), strict=True):
        inflected = inflect(normalise(verb), tense, subject)
        assert form in inflected if form != "-" else not inflected, (subject, inflected)


def test_sixty_verbs_have_every_tense_and_level():
    whole = [
        verb
        for verb in verb_names()
        if all(inflect(verb, t, s) for t in TENSES for s in ("tui", "tumi", "apni", "se"))
        or all(inflect(verb, t, s) for t in TENSES[:9] for s in ("tui", "tumi", "apni", "se"))
    ]
    assert len(whole) >= 60


@table(
    ("word", "wanted"),
    [
        ("করলে", {"tumi", None}),  # past, and conditional participle
        ("করতে", {"tumi", None}),  # habitual past, and infinitive
        ("করবে", {"tumi", "se"}),
        ("লেখে", {"se"}),
        ("করে", {"se", None}),  # present, and perfective participle
        ("করেন", {"apni", "tini"}),
        ("খেলে", {"tumi", "se", None}),  # forms of "eat" and of "play"
        ("করেননি", {"apni", "tini"}),  # with a clitic
        ("করিতেছেন", {"apni", "tini"}),
        ("নেই", set(SUBJECTS)),  # "is not", and no form of "take"
        ("নাই", set(SUBJECTS)),
        ("নই", {"ami"}),
        ("নও", {"tumi"}),
        ("নন", {"apni", "tini"}),
        ("রয়েছে", {"se"}),
        ("গেছিলাম", {"ami"}),
        ("জমালেন", {"apni", "tini"}),
        ("ঢুকেছ", {"tumi"}),
    ],
)
def test_an_ambiguous_form_has_all_readings(word, wanted):
    assert subjects(word) == wanted


LOOK_ALIKE = """কেন যেন তবে ছবি দাবি কবি জিনিস অফিস মাছ গাছ নতুন
    জুন ভালো কোনো ট্রেন ঢাকায় বিছানা ছাড়াও ভেজাল নড়াইল সারাই বিলাস"""


@table("word", LOOK_ALIKE.split())
def test_words_that_only_look_like_verbs_have_no_reading(word):
    assert readings(normalise(word)) == ()


def test_marks_literary_forms():
    for word in ("করিতেছেন", "করিয়াছি", "যাইবে", "গিয়াছিলেন"):
        group = readings(normalise(word))
        assert group
        assert all(reading.literary for reading in group)
    assert not any(reading.literary for reading in readings("করছেন"))


def test_all_forms_are_normalised_and_no_homograph_is_never_a_verb():
    assert all(normalise(form) == form for form in forms())
    assert never_verbs().isdisjoint(homographs())


@table("subject", SUBJECTS)
def test_recognises_each_form_of_a_pronoun(subject):
    for case in ("nominative", "genitive", "objective", "plural", "plural_oblique"):
        pronoun = pronoun_of(pronoun_for(subject, case))
        assert (pronoun.subject, pronoun.case) == (subject, case)


def test_a_chandrabindu_marks_the_honorific_third_person():
    assert pronoun_of("তাঁর").subject == "tini"
    assert pronoun_of("তার").subject == "se"
    assert pronoun_of(normalise("আপনিও")).subject == "apni"
