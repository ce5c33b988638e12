"""Average accuracy, backward transfer and forgetting, compared with calculations by hand."""

from __future__ import annotations

import math

import pytest

from scionwood_methods.continual import average_accuracy, backward_transfer, forgetting

NAN = math.nan
THREE = [[0.9, 0.1, 0.2], [0.6, 0.8, 0.3], [0.5, 0.7, 0.6]]


def test_three_tasks_by_hand():
    assert average_accuracy(THREE) == pytest.approx((0.5 + 0.7 + 0.6) / 3)
    assert backward_transfer(THREE) == pytest.approx(((0.5 - 0.9) + (0.7 - 0.8)) / 2)
    assert forgetting(THREE) == pytest.approx(((0.9 - 0.5) + (0.8 - 0.7)) / 2)


def test_forgetting_uses_the_best_and_transfer_the_first_accuracy():
    relearnt = [[0.5, NAN, NAN], [0.9, 0.6, NAN], [0.8, 0.7, 0.4]]
    assert backward_transfer(relearnt) == pytest.approx(((0.8 - 0.5) + (0.7 - 0.6)) / 2)
    assert forgetting(relearnt) == pytest.approx(((0.9 - 0.8) + (0.6 - 0.7)) / 2)


def test_accuracies_before_learning_count_if_measured():
    assert forgetting([[1.0, 0.9, 0.0], [1.0, 0.5, 0.0], [1.0, 0.5, 0.0]]) == pytest.approx(0.2)


def test_constant_accuracies_give_no_forgetting():
    same = [[0.8, NAN], [0.8, 0.7]]
    assert forgetting(same) == 0
    assert backward_transfer(same) == 0


def test_refuses_missing_accuracies_after_the_last_task():
    for measure in (average_accuracy, backward_transfer, forgetting):
        with pytest.raises(ValueError, match="must be finite"):
            measure([[0.8, 0.1], [NAN, 0.7]])
    with pytest.raises(ValueError, match="must be finite"):
        forgetting([[NAN, 0.1], [0.8, 0.7]])


def test_refuses_non_square_matrices_and_single_tasks():
    with pytest.raises(ValueError, match=r"\(T, T\)"):
        average_accuracy([[0.5, 0.5]])
    for measure in (backward_transfer, forgetting):
        with pytest.raises(ValueError, match="at least two tasks"):
            measure([[0.5]])
