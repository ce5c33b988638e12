"""Average accuracy, backward transfer and forgetting, compared with calculations by hand."""

import math

import pytest
from case_table import table

from scionwood_methods.continual import average_accuracy, backward_transfer, forgetting

NAN = math.nan
THREE = [[0.9, 0.1, 0.2], [0.6, 0.8, 0.3], [0.5, 0.7, 0.6]]


@table(
    ("accuracies", "transfer", "forgot"),
    [
        (THREE, ((0.5 - 0.9) + (0.7 - 0.8)) / 2, ((0.9 - 0.5) + (0.8 - 0.7)) / 2),
        # Forgetting uses the best accuracy, transfer the first one.
        (
            [[0.5, NAN, NAN], [0.9, 0.6, NAN], [0.8, 0.7, 0.4]],
            ((0.8 - 0.5) + (0.7 - 0.6)) / 2,
            ((0.9 - 0.8) + (0.6 - 0.7)) / 2,
        ),
        # Accuracies before learning count if they were measured.
        ([[1.0, 0.9, 0.0], [1.0, 0.5, 0.0], [1.0, 0.5, 0.0]], 0.0, 0.2),
        ([[0.8, NAN], [0.8, 0.7]], 0.0, 0.0),
    ],
)
def test_transfer_and_forgetting_by_hand(accuracies, transfer, forgot):
    assert backward_transfer(accuracies) == pytest.approx(transfer)
    assert forgetting(accuracies) == pytest.approx(forgot)


def test_the_average_is_that_after_the_last_task():
    assert average_accuracy(THREE) == pytest.approx((0.5 + 0.7 + 0.6) / 3)


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
