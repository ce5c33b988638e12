"""Score a corpus by register, with a bootstrap interval for each score."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bangla_checker import LEVELS, check_text, looks_like_letter, parts, structure_score

RESAMPLES = 2000
"""The number of bootstrap resamples of the texts."""

SCORES = {
    "consistent": "texts that address each person at one level, with verbs that agree",
    "pronoun_mixing": "texts that address one person by pronouns of different levels",
    "agreement": "verbs that agree with their subject, of all verbs with an explicit subject",
    "register_match": "consistent texts whose level is accepted",
    "over_formal": "texts with a level above the accepted levels",
    "abstention": "verbs that the checker does not judge",
    "structure": "parts of letters that are present and in their place",
}
"""The unit of each score, which is a share of these units, from 0 to 1."""


@dataclass(frozen=True)
class Score:
    """A score of the texts of one register.

    Attributes:
        register: the accepted levels, joined by commas, or `all`.
        score: a key of `SCORES`.
        texts: the number of texts.
        value: the share, 0 to 1, or NaN if the denominator is zero.
        low: the lower end of the 95 % interval.
        high: the upper end of the 95 % interval.

    Example:
        >>> from scionwood_bangla import score_texts
        >>> rows = score_texts(["আপনি কেমন আছেন?", "তুমি কেমন আছ?"], [{"apni"}, {"apni"}])
        >>> [(row.texts, row.value) for row in rows if row.score == "register_match"][-1]
        (2, 0.5)
    """

    register: str
    score: str
    texts: int
    value: float
    low: float
    high: float


def score_texts(
    texts: Sequence[str],
    registers: Sequence[Set[str]],
    *,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[Score]:
    """Return every score over all texts, and over the texts of each register.

    The intervals come from the percentile bootstrap over texts, so the verbs of one text stay
    together.

    Args:
        texts: the corpus.
        registers: the accepted levels of each text.
        seed: the seed of the resampling.
        progress: called with the number of texts done.

    Examples:
        >>> from scionwood_bangla import score_texts
        >>> rows = score_texts(["আপনি কেমন আছেন?", "তুমি কেমন আছ?"], [{"apni"}, {"apni"}])
        >>> [row.value for row in rows if (row.register, row.score) == ("all", "register_match")]
        [0.5]
    """
    per_text = []
    for number, (text, register) in enumerate(zip(texts, registers, strict=True), 1):
        per_text.append(counts(text, register))
        if progress is not None:
            progress(number)
    table = np.array(per_text, dtype=float).reshape(len(per_text), len(SCORES), 2)
    names = np.array([",".join(lv for lv in LEVELS if lv in group) for group in registers])
    rows = _rows("all", table, seed)
    for name in sorted(set(names), key=lambda n: (n.count(","), n)):
        rows += _rows(str(name), table[names == name], seed)
    return rows


def counts(text: str, register: Set[str]) -> list[tuple[float, float]]:
    """Return the numerator and denominator of each score of one text, in the order of `SCORES`.

    Args:
        text: the text.
        register: the accepted levels.
    """
    free = check_text(text)
    rules = {fault.rule for fault in free.faults}
    consistent = bool(free.levels) and not rules
    top = max(map(LEVELS.index, register))
    over = any(LEVELS.index(level) > top for level in free.levels)
    letter = looks_like_letter(parts(free.text))
    return [
        (consistent, 1),
        (bool(rules & {"mixing", "vocative"}), 1),
        (free.agreeing, free.judged),
        (consistent and free.levels <= register, 1),
        (over, 1),
        (len(free.undecided), free.verbs),
        (structure_score(free.text) if letter else 0, letter),
    ]


def _rows(register: str, table: NDArray[np.float64], seed: int) -> list[Score]:
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(table), (RESAMPLES, len(table)))
    rows = []
    for k, name in enumerate(SCORES):
        top, bottom = table[:, k, 0], table[:, k, 1]
        sampled = _ratio(top[draws].sum(1), bottom[draws].sum(1))
        value = float(_ratio(top.sum(keepdims=True), bottom.sum(keepdims=True))[0])
        low, high = interval(sampled)
        rows.append(Score(register, name, len(table), value, low, high))
    return rows


def interval(sampled: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the 95 % percentile interval, or NaN if every resample is NaN.

    Args:
        sampled: (resample,), the score of each resample. It is NaN if the denominator is zero.
    """
    finite = sampled[~np.isnan(sampled)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    ratios: NDArray[np.float64] = np.full(len(top), np.nan)
    np.divide(top, bottom, out=ratios, where=bottom > 0)
    return ratios
