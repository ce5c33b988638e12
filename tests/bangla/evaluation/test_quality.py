"""Answers are judged by four questions, so that cheap tricks do not pass."""

import numpy as np
import pytest
from case_table import table

from scionwood_bangla.evaluation.harness.register import measure
from scionwood_bangla.evaluation.prompts import prompts
from scionwood_bangla.evaluation.quality import judge_answer, measure_answer
from scionwood_bangla.model.word_order import WordOrder, class_of, sentences, train
from scionwood_bangla.text.normalise import normalise

LINE = normalise("তুমি ভালো থেকো।")
ITEMS = prompts(half="dev")[::6]


@table(
    ("cheat", "fails"),
    [
        (lambda item: LINE, "relevant"),
        (lambda item: f"{item.text} {LINE}", "fresh"),
        (lambda item: f"{LINE} {' '.join(item.text.split()[::-1])}।", "fluent"),
        (lambda item: " ".join([LINE] * 10), "fresh"),
    ],
    ids=["fixed", "echo", "reversed", "repeated"],
)
def test_a_trick_fails_at_the_question_that_was_made_for_it(cheat, fails):
    judged = [judge_answer(item.text, cheat(item), item.levels) for item in ITEMS]
    assert sum(getattr(each, fails) for each in judged) <= 0.15 * len(judged)
    assert sum(each.good for each in judged) <= 0.1 * len(judged)


def test_a_letter_needs_a_salutation_and_other_words_may_be_relevant():
    request = "শিক্ষকের কাছে ছুটির আবেদন লেখো।"
    body = "আমার জ্বর হয়েছে। আপনি আমাকে দুই দিনের ছুটি দিন।"
    assert not judge_answer(request, body, ["apni"]).relevant
    assert judge_answer(request, f"জনাব, {body}", ["apni"]).relevant
    assert not judge_answer("বন্ধুকে ডাকো।", "", ["tumi"]).fluent
    assert judge_answer("বন্ধুর খবর নাও।", "তুমি কেমন আছ?", ["tumi"]).relevant
    assert measure_answer("বন্ধুর খবর নাও।", "আকাশ নীল।").taken_up == 0


def test_training_counts_every_trigram_and_probabilities_sum_to_one():
    texts = [normalise("আমি ভাত খাই। আমি মাছ খাই।"), normalise("তুমি ভাত খাও।")]
    parts = train(texts, common=3)
    model = WordOrder(**parts)
    assert parts["grams"][:, 3].sum() == sum(len(s) + 1 for t in texts for s in sentences(t))
    shares = [model._probability("|", "|", name) for name in (*parts["names"], "?")]
    assert sum(shares) == pytest.approx(1.0)
    assert class_of("আমি", model.common) == "আমি"
    assert class_of(normalise("খাই"), frozenset()) == "+finite"
    assert np.isfinite(model.nats(["অজানা"]))


def test_the_harness_reports_the_score_of_answers():
    item = next(item for item in prompts(half="inferred") if item.expected == "apni")
    row = {
        "prompt": item.text,
        "levels": sorted(item.levels),
        "expected": "apni",
        "hard": False,
        "half": item.half,
    }
    assert measure(row, [item.reference])["good_inferred"] == 1
    polite = measure(row, [normalise("আপনি ভালো থাকবেন।")])
    assert (polite["register_match"], polite["relevant"], polite["good"]) == (1, 0, 0)
