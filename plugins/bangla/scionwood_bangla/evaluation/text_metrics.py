"""BLEU, chrF, ROUGE-L and the word error rate, as counts that can be summed and resampled."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scionwood_bangla.text.normalise import BENGALI, normalise

Counts = NDArray[np.float64]

BLEU_ORDER, CHRF_ORDER, BETA = 4, 6, 2.0
_WORD = re.compile(rf"[\w{BENGALI}\u200c\u200d]+")


@dataclass(frozen=True)
class TextMetric:
    """A measure of the similarity of a text and its reference.

    Attributes:
        columns: the number of counts per text.
        count: a function of the normalised text and reference that returns the counts.
        score: a function of summed counts, (..., column), that returns the corpus score, (...).
    """

    columns: int
    count: Callable[[str, str], list[float]]
    score: Callable[[Counts], Counts]


def words(text: str) -> list[str]:
    """Return the words of a text: letters of any script with their signs, and digits.

    The tokenizers of other packages keep only Latin letters, or split a word at each vowel sign.

    Args:
        text: the normalised text.
    """
    return _WORD.findall(text)


def bleu_counts(text: str, reference: str) -> list[float]:
    """Return matching n-grams by order, n-grams by order, and the lengths of text and reference.

    The tokenizer is sacrebleu's `intl`, which separates the danda from the word before it.

    Args:
        text: the generated text.
        reference: the reference text.
    """
    from sacrebleu.metrics.bleu import BLEU

    result = BLEU(tokenize="intl", effective_order=True).sentence_score(text, [reference])
    return [*result.counts, *result.totals, result.sys_len, result.ref_len]


def bleu_score(sums: Counts) -> Counts:
    """Return BLEU of a corpus, 0 to 100, with the exponential smoothing of mteval-v13a.

    Args:
        sums: (..., 10), the sums of `bleu_counts`.

    Source: K. Papineni et al., ACL 2002; sacrebleu, M. Post, WMT 2018.
    """
    right, total = sums[..., :BLEU_ORDER], sums[..., BLEU_ORDER : 2 * BLEU_ORDER]
    misses = np.cumsum((right == 0) & (total > 0), axis=-1)
    smoothed = np.where(right > 0, right, 0.5**misses)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(total > 0, smoothed / total, 0.0)
        brevity = np.exp(np.minimum(0.0, 1 - sums[..., -1] / sums[..., -2]))
        score = 100 * brevity * np.exp(np.log(precision).mean(-1))
    return np.where(right.any(-1) & (sums[..., -2] > 0), score, 0.0)


def chrf_counts(text: str, reference: str) -> list[float]:
    """Return the character n-grams of the text, of the reference, and of both, for orders 1 to 6.

    Args:
        text: the generated text.
        reference: the reference text.
    """
    from sacrebleu.metrics.helpers import extract_all_char_ngrams

    counts: list[float] = []
    for text_ngrams, reference_ngrams in zip(
        extract_all_char_ngrams(text, CHRF_ORDER),
        extract_all_char_ngrams(reference, CHRF_ORDER),
        strict=True,
    ):
        text_total = (
            text_ngrams.total() if reference_ngrams else 0
        )  # as in sacrebleu: no n-gram could have matched
        counts += [text_total, reference_ngrams.total(), (text_ngrams & reference_ngrams).total()]
    return counts


def chrf_score(sums: Counts) -> Counts:
    """Return chrF2 of a corpus, 0 to 100: the F2 score of mean precision and mean recall.

    Args:
        sums: (..., 18), the sums of `chrf_counts`.

    Source: M. Popovic, chrF, WMT 2015. Orders without n-grams are left out, as in sacrebleu.
    """
    text_totals, reference_totals, both = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    used = (text_totals > 0) & (reference_totals > 0)
    orders = np.maximum(used.sum(-1), 1)
    precision = (both / np.maximum(text_totals, 1) * used).sum(-1) / orders
    recall = (both / np.maximum(reference_totals, 1) * used).sum(-1) / orders
    bottom = BETA**2 * precision + recall
    score: Counts = 100 * (1 + BETA**2) * precision * recall / np.where(bottom > 0, bottom, 1.0)
    return score


def rouge_counts(text: str, reference: str) -> list[float]:
    """Return the F1 of the longest common subsequence of words, and 1 to count the text.

    The package rouge-score drops all letters that are not Latin, so this module finds the words.

    Args:
        text: the generated text.
        reference: the reference text.

    Source: C.-Y. Lin, ROUGE, 2004, over whole texts, with equal weights of precision and recall.
    """
    text_words, reference_words = words(text), words(reference)
    common = _rows(text_words, reference_words)[0]
    return [200 * common / (len(text_words) + len(reference_words)) if common else 0.0, 1]


def error_counts(text: str, reference: str) -> list[float]:
    """Return the number of words to insert, delete or replace, and the words of the reference.

    Args:
        text: the generated text.
        reference: the reference text.
    """
    reference_words = words(reference)
    return [_rows(words(text), reference_words)[1], len(reference_words)]


def ratio(sums: Counts) -> Counts:
    """Return the first count divided by the second, or NaN if the second is zero.

    Args:
        sums: (..., 2).
    """
    top, bottom = sums[..., 0], sums[..., 1]
    ratios: Counts = np.full(np.shape(top), np.nan)
    return np.divide(top, bottom, out=ratios, where=bottom > 0)


TEXT_METRICS = {
    "bleu": TextMetric(2 * BLEU_ORDER + 2, bleu_counts, bleu_score),
    "chrf": TextMetric(3 * CHRF_ORDER, chrf_counts, chrf_score),
    "rouge_l": TextMetric(2, rouge_counts, ratio),
    "wer": TextMetric(2, error_counts, ratio),
}
"""BLEU, chrF and ROUGE-L are from 0 to 100. The word error rate is 0 without errors, and it may
exceed 1."""


def text_score(name: str, texts: list[str], references: list[str]) -> float:
    """Return one score of a corpus.

    Args:
        name: a key of `TEXT_METRICS`.
        texts: the generated texts.
        references: the reference of each text.
    """
    metric = TEXT_METRICS[name]
    pairs = zip(map(normalise, texts), map(normalise, references), strict=True)
    return float(metric.score(np.array([metric.count(*pair) for pair in pairs], float).sum(0)))


def _rows(text_words: list[str], reference_words: list[str]) -> tuple[int, int]:
    """Return the length of the longest common subsequence, and the edit distance."""
    common, edits = [0] * (len(reference_words) + 1), list(range(len(reference_words) + 1))
    for i, word in enumerate(text_words, 1):
        corner, before, above = 0, edits[0], edits
        edits = [i]
        for j, other in enumerate(reference_words, 1):
            same = word == other
            corner, diagonal = common[j], corner
            common[j] = diagonal + 1 if same else max(common[j], common[j - 1])
            edits.append(min(before + (not same), above[j] + 1, edits[j - 1] + 1))
            before = above[j]
    return common[-1], edits[-1]
