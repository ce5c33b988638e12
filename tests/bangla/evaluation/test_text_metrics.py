"""BLEU and chrF equal those of sacrebleu; ROUGE-L and word errors work on Bangla words."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from case_table import table
from sacrebleu.metrics import BLEU, CHRF

from scionwood_bangla.evaluation.measures import MEASURES, counts_of, table_of, values
from scionwood_bangla.evaluation.prompts import prompts
from scionwood_bangla.evaluation.text_metrics import TEXT_METRICS, text_score, words

BY_HAND = prompts(half="dev")
REFERENCES = [item.reference for item in BY_HAND]
ENDED = [True] * len(BY_HAND)
APNI = frozenset({"apni"})


def shuffled(seed: int, keep: float = 1.0) -> list[str]:
    """Return the references with their words in another order, and some words left out."""
    random = Random(seed)
    texts = []
    for text in REFERENCES:
        own = text.split()
        texts.append(" ".join(random.sample(own, round(keep * len(own)))))
    return texts


CORPORA = {
    "the same": REFERENCES,
    "shuffled": shuffled(0),
    "cut": shuffled(1, 0.5),
    "nothing in common": ["ক খ গ"] * len(REFERENCES),
    "empty": [""] * len(REFERENCES),
}


@table("name", CORPORA)
def test_bleu_and_chrf_equal_sacrebleu(name):
    texts = CORPORA[name]
    bleu = BLEU(tokenize="intl").corpus_score(texts, [REFERENCES]).score
    chrf = CHRF().corpus_score(texts, [REFERENCES]).score
    assert text_score("bleu", texts, REFERENCES) == pytest.approx(bleu)
    assert text_score("chrf", texts, REFERENCES) == pytest.approx(chrf)


def test_a_precision_of_zero_is_smoothed_as_sacrebleu_does():
    texts, references = ["আপনি কাল ঢাকায় যাবেন না"], ["আপনি আজ ঢাকায় আসবেন না তো"]
    expected = BLEU(tokenize="intl").corpus_score(texts, [references]).score
    assert 0 < expected < 20
    assert text_score("bleu", texts, references) == pytest.approx(expected)


def test_words_keep_their_signs_and_joiners():
    wanted = "র\u200d্যাব কি দুঃখ পেয়েছে ক্ষমা ২০২৬"
    assert words("র\u200d্যাব কি দুঃখ পেয়েছে? ক্ষমা, ২০২৬!") == wanted.split(" ")


@table(
    ("metric", "text", "reference", "wanted"),
    [
        # "a c d" of "a b c d": precision 3/3, recall 3/4 of the longest common subsequence.
        ("rouge_l", "আমি কাল আসব", "আমি কি কাল আসব", 100 * 2 * 1 * 0.75 / 1.75),
        ("rouge_l", "আসব কাল আমি", "আমি কি কাল আসব", 100 * 2 / 7),
        ("rouge_l", "", "আমি", 0),
        # Of four words, one is replaced and one is left out.
        ("wer", "আমি আজ আসব", "আমি কি কাল আসব", 2 / 4),
        ("wer", "আমি কি কাল আসব", "আমি কি কাল আসব", 0),
        ("wer", "ক খ গ", "ঘ", 3),
    ],
)
def test_rouge_l_and_the_word_error_rate_by_hand(metric, text, reference, wanted):
    assert text_score(metric, [text], [reference]) == pytest.approx(wanted)


def test_two_spellings_of_a_text_are_equal():
    decomposed, composed = "আপনি পেয়েছেন", "আপনি পে\u09dfেছেন"
    for name in ("bleu", "chrf", "rouge_l"):
        assert text_score(name, [composed] * 2, [decomposed] * 2) in (
            pytest.approx(100),
            0,  # BLEU of two words has no n-grams of four
        )
    assert text_score("wer", [composed], [decomposed]) == 0


def test_every_measure_has_a_value_within_its_interval():
    table = table_of(shuffled(0), REFERENCES, [item.levels for item in BY_HAND], ENDED)
    results = values(table)
    assert [value.measure for value in results] == list(MEASURES)
    for value in results:
        assert value.low <= value.value <= value.high or np.isnan(value.value)
        assert np.isnan(value.gain)
    by_name = {value.measure: value.value for value in results}
    for name in TEXT_METRICS:
        assert by_name[name] == pytest.approx(text_score(name, shuffled(0), REFERENCES))


def test_an_answer_that_was_cut_off_counts_as_not_ended():
    table = np.array(
        [counts_of("আপনি কেমন আছেন?", "আপনি?", APNI, ended=end) for end in (True, False)]
    )
    by_name = {value.measure: value.value for value in values(table)}
    assert by_name["ended"] == 0.5
    assert by_name["register_match"] == 1
