"""The limit of the joint number allows few false alarms, and few references have none."""

from __future__ import annotations

import numpy as np
import pytest
from case_table import table

from scionwood_audit.departure import ALARMS, ENOUGH, Departure


def draws(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return np.exp(0.1 * draw.standard_normal(count)), np.exp(0.3 * draw.standard_normal(count))


@table("count", [ENOUGH, 30, 59])
def test_adapters_like_the_references_are_seldom_beyond_the_limit(count: int) -> None:
    beyond = 0
    for seed in range(600):
        turns, scores = draws(count + 1, seed)
        references = Departure(list(turns[:-1]), list(scores[:-1]))
        assert references.limit is not None
        beyond += references.of(turns[-1], scores[-1]) > references.limit
    assert 0 < beyond / 600 < ALARMS + 0.02


def test_too_few_references_have_no_limit() -> None:
    turns, scores = draws(ENOUGH - 1, 0)
    assert Departure(list(turns), list(scores)).limit is None


def test_a_wider_turn_or_a_larger_score_departs() -> None:
    turns, scores = draws(40, 1)
    references = Departure(list(turns), list(scores))
    assert references.limit is not None
    usual = float(np.median(turns)), float(np.median(scores))
    assert references.of(*usual) == pytest.approx(0, abs=0.1)
    assert references.of(1.5 * usual[0], usual[1]) > references.limit
    assert references.of(usual[0], 10 * usual[1]) > references.limit
