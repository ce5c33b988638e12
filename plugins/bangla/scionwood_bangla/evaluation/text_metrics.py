"""BLEU, chrF, ROUGE-L and word errors as counts of texts, which can be summed and resampled."""

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
    """A measure of how near a text is to its reference.

    Attributes:
        columns: how many counts it has of a text.
        count: text and reference, normalised, to those counts.
        score: sums of counts, (..., column), to the score of that corpus, (...).
    """

    columns: int
    count: Callable[[str, str], list[float]]
    score: Callable[[Counts], Counts]


def words(text: str) -> list[str]:
    """The words of a normalised text: letters with their signs, of any script, and digits.

    Args:
        text: normalised. The tokenizers of other packages keep Latin letters alone, or cut a word
            at each vowel sign.
    """
    return _WORD.findall(text)


def bleu_counts(text: str, reference: str) -> list[float]:
    """Matching n-grams, n-grams, and both lengths; sacrebleu's `intl`, which parts the danda.

    Args:
        text: what was written.
        reference: what was asked for.
    """
    from sacrebleu.metrics import BLEU

    found = BLEU(tokenize="intl", effective_order=True).sentence_score(text, [reference])
    return [*found.counts, *found.totals, found.sys_len, found.ref_len]


def bleu_score(sums: Counts) -> Counts:
    """BLEU of a corpus, 0 to 100, with the exponential smoothing of mteval-v13a.

    Args:
        sums: (..., 10), as `bleu_counts` gives them, added up.

    Source: K. Papineni et al., ACL 2002; sacrebleu, M. Post, WMT 2018.
    """
    right, total = sums[..., :BLEU_ORDER], sums[..., BLEU_ORDER : 2 * BLEU_ORDER]
    misses = np.cumsum((right == 0) & (total > 0), axis=-1)
    smoothed = np.where(right > 0, right, 0.5**misses)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(total > 0, smoothed / total, 0.0)
        brevity = np.exp(np.minimum(0.0, 1 - sums[..., -1] / sums[..., -2]))
        found = 100 * brevity * np.exp(np.log(precision).mean(-1))
    return np.where(right.any(-1) & (sums[..., -2] > 0), found, 0.0)


def chrf_counts(text: str, reference: str) -> list[float]:
    """Character n-grams of text and reference, and those that match, for orders 1 to 6.

    Args:
        text: what was written.
        reference: what was asked for.
    """
    from sacrebleu.metrics.helpers import extract_all_char_ngrams

    found: list[float] = []
    for own, asked in zip(
        extract_all_char_ngrams(text, CHRF_ORDER),
        extract_all_char_ngrams(reference, CHRF_ORDER),
        strict=True,
    ):
        given = own.total() if asked else 0  # as sacrebleu: nothing there could have matched
        found += [given, asked.total(), (own & asked).total()]
    return found


def chrf_score(sums: Counts) -> Counts:
    """chrF2 of a corpus, 0 to 100: the F-score of mean precision and recall, recall twice as heavy.

    Args:
        sums: (..., 18), as `chrf_counts` gives them, added up.

    Source: M. Popovic, chrF, WMT 2015; orders without n-grams are left out, as in sacrebleu.
    """
    given, asked, both = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    used = (given > 0) & (asked > 0)
    orders = np.maximum(used.sum(-1), 1)
    precision = (both / np.maximum(given, 1) * used).sum(-1) / orders
    recall = (both / np.maximum(asked, 1) * used).sum(-1) / orders
    bottom = BETA**2 * precision + recall
    return 100 * (1 + BETA**2) * precision * recall / np.where(bottom > 0, bottom, 1.0)


def rouge_counts(text: str, reference: str) -> list[float]:
    """The F1 of the longest common subsequence of words, and 1 for this text.

    The package rouge-score drops every letter that is not Latin, so the words are ours.

    Args:
        text: what was written.
        reference: what was asked for.

    Source: C.-Y. Lin, ROUGE, 2004, of whole texts; precision and recall weigh the same.
    """
    own, asked = words(text), words(reference)
    common = _rows(own, asked)[0]
    return [200 * common / (len(own) + len(asked)) if common else 0.0, 1]


def error_counts(text: str, reference: str) -> list[float]:
    """Words to insert, delete or replace, and the words of the reference.

    Args:
        text: what was written.
        reference: what was asked for.
    """
    asked = words(reference)
    return [_rows(words(text), asked)[1], len(asked)]


def ratio(sums: Counts) -> Counts:
    """The first count over the second; NaN where it is a share of nothing.

    Args:
        sums: (..., 2).
    """
    top, bottom = sums[..., 0], sums[..., 1]
    return np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0)


TEXT_METRICS = {
    "bleu": TextMetric(2 * BLEU_ORDER + 2, bleu_counts, bleu_score),
    "chrf": TextMetric(3 * CHRF_ORDER, chrf_counts, chrf_score),
    "rouge_l": TextMetric(2, rouge_counts, ratio),
    "wer": TextMetric(2, error_counts, ratio),
}
"""BLEU, chrF and ROUGE-L from 0 to 100; the word error rate is 0 for no error, and may exceed 1."""


def text_score(name: str, texts: list[str], references: list[str]) -> float:
    """One score of a corpus.

    Args:
        name: of `TEXT_METRICS`.
        texts: what was written.
        references: what was asked for.
    """
    metric = TEXT_METRICS[name]
    pairs = zip(map(normalise, texts), map(normalise, references), strict=True)
    return float(metric.score(np.array([metric.count(*pair) for pair in pairs], float).sum(0)))


def _rows(own: list[str], asked: list[str]) -> tuple[int, int]:
    """Length of the longest common subsequence, and the edit distance, row by row."""
    common, edits = [0] * (len(asked) + 1), list(range(len(asked) + 1))
    for i, word in enumerate(own, 1):
        corner, before, above = 0, edits[0], edits
        edits = [i]
        for j, other in enumerate(asked, 1):
            same = word == other
            corner, kept = common[j], corner
            common[j] = kept + 1 if same else max(common[j], common[j - 1])
            edits.append(min(before + (not same), above[j] + 1, edits[j - 1] + 1))
            before = above[j]
    return common[-1], edits[-1]
