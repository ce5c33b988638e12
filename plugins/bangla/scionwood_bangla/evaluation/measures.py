"""Every measure of what a model writes, of address and of likeness, with paired intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from scionwood_bangla.checker.scores import RESAMPLES, SCORES, interval
from scionwood_bangla.checker.scores import counts as address_counts
from scionwood_bangla.evaluation.text_metrics import TEXT_METRICS, Counts, ratio
from scionwood_bangla.text.normalise import normalise

MEASURES: dict[str, str] = {
    **SCORES,
    "ended": "texts that the model ended itself",
    "bleu": "BLEU against the reference, 0 to 100",
    "chrf": "chrF2 against the reference, 0 to 100",
    "rouge_l": "ROUGE-L F1 of Bangla words against the reference, 0 to 100",
    "wer": "words to change for the reference, of its words",
}
"""What each measure says; shares are 0 to 1."""


class Part(NamedTuple):
    """Where the counts of a measure stand, and what their sums become."""

    columns: slice
    score: Callable[[Counts], Counts]


def _layout() -> dict[str, Part]:
    found, at = {}, 0
    for name in MEASURES:
        metric = TEXT_METRICS.get(name)
        width = 2 if metric is None else metric.columns
        found[name] = Part(slice(at, at + width), ratio if metric is None else metric.score)
        at += width
    return found


@dataclass(frozen=True)
class Value:
    """A measure of a corpus with its 95 % interval.

    Attributes:
        measure: of `MEASURES`.
        value: NaN where it is a share of nothing.
        low: lower end.
        high: upper end.
        gain: what it has more than the corpus that it is compared with; NaN without one.
        gain_low: lower end of the interval of this difference.
        gain_high: its upper end.
    """

    measure: str
    value: float
    low: float
    high: float
    gain: float = float("nan")
    gain_low: float = float("nan")
    gain_high: float = float("nan")


def counts_of(text: str, reference: str, levels: frozenset[str], *, ended: bool) -> Counts:
    """The counts of one text, for all measures side by side.

    Args:
        text: what was written.
        reference: what could have been written.
        levels: that are acceptable.
        ended: whether the model ended it.
    """
    text, reference = normalise(text), normalise(reference)
    found = [number for pair in address_counts(text, levels) for number in pair]
    found += [ended, 1]
    for metric in TEXT_METRICS.values():
        found += metric.count(text, reference)
    return np.array(found, float)


def values(table: Counts, against: Counts | None = None, *, seed: int = 0) -> list[Value]:
    """Every measure of a corpus, and its gain over another one of the same prompts.

    The percentile bootstrap over texts; both corpora are resampled alike, so that what is hard in
    both does not widen the interval of the difference.

    Args:
        table: (text, count), of `counts_of`.
        against: the same for other answers to the same prompts in the same order.
        seed: of the resampling.

    Source: paired bootstrap, P. Koehn, EMNLP 2004.
    """
    draws = _draws(len(table), seed)
    drawn, ours = draws @ table, table.sum(0)
    others = None if against is None else (draws @ against, against.sum(0))
    found = []
    for name, part in _layout().items():
        sampled = part.score(drawn[:, part.columns])
        value = float(part.score(ours[part.columns]))
        more: tuple[float, ...] = ()
        if others is not None:
            differences = sampled - part.score(others[0][:, part.columns])
            more = (value - float(part.score(others[1][part.columns])), *interval(differences))
        found.append(Value(name, value, *interval(sampled), *more))
    return found


def table_of(
    texts: Sequence[str],
    references: Sequence[str],
    levels: Sequence[frozenset[str]],
    ended: Sequence[bool],
) -> Counts:
    """The counts of a corpus, (text, count).

    Args:
        texts: what was written.
        references: of each text.
        levels: acceptable in each text.
        ended: whether the model ended each text.
    """
    rows = zip(texts, references, levels, ended, strict=True)
    return np.array([counts_of(text, ref, kind, ended=end) for text, ref, kind, end in rows])


@lru_cache(maxsize=16)
def _draws(texts: int, seed: int) -> Counts:
    """How often each text is in each resample, (resample, text)."""
    shares = np.full(texts, 1 / texts)
    return np.random.default_rng(seed).multinomial(texts, shares, RESAMPLES).astype(float)
