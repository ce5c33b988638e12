"""Scores of a corpus by register, each with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scionwood_bangla.checker import check_text
from scionwood_bangla.checker.letters import looks_like_letter, parts, structure_score
from scionwood_bangla.lexicon import LEVELS

RESAMPLES = 2000
"""Bootstrap resamples of the texts."""

SCORES = {
    "consistent": "texts that address one person at one level and agree with it",
    "pronoun_mixing": "texts that address one person by pronouns of two levels",
    "agreement": "verbs that agree, of those whose subject is written",
    "register_match": "consistent texts whose level is one of those accepted",
    "over_formal": "texts with a level above those accepted",
    "abstention": "verbs on which the checker abstains",
    "structure": "parts of letters that are there and in their place",
}
"""What each score is a share of."""


@dataclass(frozen=True)
class Row:
    """A score of the texts of one register.

    Attributes:
        register: the levels accepted, joined by commas, or `all`.
        score: of `SCORES`.
        texts: how many texts it is of.
        value: the share, 0 to 1; NaN where it is a share of nothing.
        low: lower end of the 95 % interval.
        high: upper end.
    """

    register: str
    score: str
    texts: int
    value: float
    low: float
    high: float


def score_texts(
    texts: Sequence[str],
    registers: Sequence[frozenset[str]],
    *,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[Row]:
    """Every score over all texts, and over those of each register.

    The interval is the percentile bootstrap over texts, which holds a text's verbs together.

    Args:
        texts: the corpus.
        registers: of each text, the levels that are acceptable.
        seed: of the resampling.
        progress: called with the number of texts done.
    """
    found = []
    for number, (text, register) in enumerate(zip(texts, registers, strict=True), 1):
        found.append(counts(text, register))
        if progress is not None:
            progress(number)
    table = np.array(found, dtype=float).reshape(len(found), len(SCORES), 2)
    names = np.array([",".join(lv for lv in LEVELS if lv in group) for group in registers])
    rows = _rows("all", table, seed)
    for name in sorted(set(names), key=lambda n: (n.count(","), n)):
        rows += _rows(str(name), table[names == name], seed)
    return rows


def counts(text: str, register: frozenset[str]) -> list[tuple[float, float]]:
    """Numerator and denominator of each score of one text, in the order of `SCORES`.

    Args:
        text: any text.
        register: the levels that are acceptable.
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


def _rows(register: str, table: NDArray[np.float64], seed: int) -> list[Row]:
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(table), (RESAMPLES, len(table)))
    rows = []
    for k, name in enumerate(SCORES):
        top, bottom = table[:, k, 0], table[:, k, 1]
        sampled = _ratio(top[draws].sum(1), bottom[draws].sum(1))
        value = float(_ratio(top.sum(keepdims=True), bottom.sum(keepdims=True))[0])
        low, high = interval(sampled)
        rows.append(Row(register, name, len(table), value, low, high))
    return rows


def interval(sampled: NDArray[np.float64]) -> tuple[float, float]:
    """The ends of the 95 % percentile interval; NaN where nothing could be computed.

    Args:
        sampled: (resample,), the score of each; NaN where it is a share of nothing.
    """
    kept = sampled[~np.isnan(sampled)]
    if not len(kept):
        return float("nan"), float("nan")
    low, high = np.percentile(kept, [2.5, 97.5])
    return float(low), float(high)


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)
