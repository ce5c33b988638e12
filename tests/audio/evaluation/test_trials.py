"""Rates of trials, and the number of clips from which an arm pays."""

import numpy as np
import torch

from scionwood_audio.evaluation.trials import advice, of_trials, rates


def test_equal_scores_are_chance_and_apart_ones_perfect():
    assert rates(np.zeros(5), np.zeros(9)).auc == 0.5
    apart = rates(np.ones(5), np.zeros(9))
    assert (apart.auc, apart.eer, apart.threshold) == (1.0, 0.0, 1.0)


def test_a_score_of_minus_infinity_is_the_least():
    assert rates(np.array([1.0, 2.0]), np.array([-np.inf, 0.0])).auc == 1.0


def test_easy_and_hard_are_columns_of_their_own():
    found = of_trials(torch.tensor([[1.0, 0.0, 0.0, 2.0, 2.0]] * 4))
    assert (float(found["easy"]), float(found["hard"])) == (100.0, 0.0)


def test_an_arm_below_zero_shot_is_not_recommended():
    arms = {"adapter": {25: 94.0, 100: 97.0}, "head": {25: 60.0, 100: 80.0}}
    first, second = advice(arms, 83.0)
    assert "from 25 clips" in first
    assert "not recommended" in second
    (line,) = advice({"head": {25: 90.0, 100: 80.0}}, 83.0)  # above once, and below with more clips
    assert "not recommended" in line
