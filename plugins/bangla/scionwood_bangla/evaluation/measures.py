"""Measure generated texts: address, and similarity to a reference, with paired intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from scionwood_bangla.checker.scores import RESAMPLES, SCORES, interval
from scionwood_bangla.checker.scores import counts as address_counts
from scionwood_bangla.evaluation.quality import judge_answer
from scionwood_bangla.evaluation.text_metrics import TEXT_METRICS, Counts, ratio
from scionwood_bangla.text.normalise import normalise

MEASURES: dict[str, str] = {
    **SCORES,
    "good": "answers with an accepted level that are relevant, fluent and fresh too",
    "relevant": "answers that take up the request; a letter that was asked for has a salutation",
    "fluent": "answers whose word order is more likely than random orders",
    "fresh": "answers that neither copy the request nor repeat themselves",
    "ended": "texts that the model ended itself, before the limit of tokens",
    "bleu": "BLEU against the reference, 0 to 100",
    "chrf": "chrF2 against the reference, 0 to 100",
    "rouge_l": "ROUGE-L F1 of Bangla words against the reference, 0 to 100",
    "wer": "word error rate: edits of words per word of the reference",
}
"""The meaning of each measure. Shares are from 0 to 1."""


class Part(NamedTuple):
    """The columns of a measure in the table of counts, and its score of their sums."""

    columns: slice
    score: Callable[[Counts], Counts]


def _layout() -> dict[str, Part]:
    layout, at = {}, 0
    for name in MEASURES:
        metric = TEXT_METRICS.get(name)
        width = 2 if metric is None else metric.columns
        layout[name] = Part(slice(at, at + width), ratio if metric is None else metric.score)
        at += width
    return layout


@dataclass(frozen=True)
class Value:
    """A measure of a corpus with its 95 % interval.

    Attributes:
        measure: a key of `MEASURES`.
        value: the value, or NaN if the denominator is zero.
        low: the lower end of the interval.
        high: the upper end of the interval.
        gain: the difference from the other corpus, or NaN if there is none.
        gain_low: the lower end of the interval of the gain.
        gain_high: the upper end of the interval of the gain.
    """

    measure: str
    value: float
    low: float
    high: float
    gain: float = float("nan")
    gain_low: float = float("nan")
    gain_high: float = float("nan")


def counts_of(
    text: str, reference: str, levels: frozenset[str], *, ended: bool, request: str | None = None
) -> Counts:
    """Return the counts of one text for all measures, (count,).

    Args:
        text: the generated text.
        reference: the reference text.
        levels: the accepted levels.
        ended: whether the model ended the text.
        request: the request. Without it the text has no score as an answer.
    """
    text, reference = normalise(text), normalise(reference)
    numbers = [number for pair in address_counts(text, levels) for number in pair]
    numbers += _as_answer(request, text, levels)
    numbers += [ended, 1]
    for metric in TEXT_METRICS.values():
        numbers += metric.count(text, reference)
    return np.array(numbers, float)


def values(table: Counts, against: Counts | None = None, *, seed: int = 0) -> list[Value]:
    """Return every measure of a corpus, and its gain over another corpus of the same prompts.

    Intervals come from the percentile bootstrap over texts. Both corpora are resampled in the same
    way, so that prompts that are hard for both do not widen the interval of the gain.

    Args:
        table: (text, count), the counts of `counts_of`.
        against: the counts of other answers to the same prompts in the same order.
        seed: the seed of the resampling.

    Source: paired bootstrap, P. Koehn, EMNLP 2004.
    """
    draws = _draws(len(table), seed)
    draw_sums, sums = draws @ table, table.sum(0)
    others = None if against is None else (draws @ against, against.sum(0))
    results = []
    for name, part in _layout().items():
        sampled = part.score(draw_sums[:, part.columns])
        value = float(part.score(sums[part.columns]))
        more: tuple[float, ...] = ()
        if others is not None:
            differences = sampled - part.score(others[0][:, part.columns])
            more = (value - float(part.score(others[1][part.columns])), *interval(differences))
        results.append(Value(name, value, *interval(sampled), *more))
    return results


def table_of(
    texts: Sequence[str],
    references: Sequence[str],
    levels: Sequence[frozenset[str]],
    ended: Sequence[bool],
    requests: Sequence[str] | None = None,
) -> Counts:
    """Return the counts of a corpus, (text, count).

    Args:
        texts: the generated texts.
        references: the reference of each text.
        levels: the accepted levels of each text.
        ended: whether the model ended each text.
        requests: the request of each text. Without them texts have no score as answers.
    """
    request_column: Sequence[str | None] = [None] * len(texts) if requests is None else requests
    rows = zip(texts, references, levels, ended, request_column, strict=True)
    return np.array(
        [counts_of(text, ref, kind, ended=end, request=ask) for text, ref, kind, end, ask in rows]
    )


def _as_answer(request: str | None, text: str, levels: frozenset[str]) -> list[float]:
    if request is None:
        return [0.0] * 8
    quality = judge_answer(request, text, levels)
    shares = (quality.good, quality.relevant, quality.fluent, quality.fresh)
    return [number for share in shares for number in (float(share), 1.0)]


@lru_cache(maxsize=16)
def _draws(texts: int, seed: int) -> Counts:
    """Return how often each text occurs in each resample, (resample, text)."""
    shares = np.full(texts, 1 / texts)
    return np.random.default_rng(seed).multinomial(texts, shares, RESAMPLES).astype(float)
