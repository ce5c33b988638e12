"""Scores to events, their F1, and the threshold of held-out scenes."""

from __future__ import annotations

import numpy as np

from scionwood_audio.inference.events import (
    Shape,
    events_of,
    levelled,
    matches,
    threshold_in_place,
)

SHAPE = Shape(smooth=1, shortest=10, gap=5)


def values(*spans: tuple[int, int], total: int = 200) -> np.ndarray:
    found = np.zeros(total, np.float32)
    for start, end in spans:
        found[start:end] = 2.0
    return found


def test_short_events_go_and_near_ones_join():
    found = events_of(values((0, 4), (20, 40), (44, 60), (80, 100), (190, 200)), 1.0, SHAPE)
    assert found == [(20, 60), (80, 100), (190, 200)]


def test_an_event_is_paired_once_with_the_best_overlap():
    found, true = [(0.0, 1.0), (0.1, 1.1), (4.0, 5.0)], [(0.1, 1.1), (4.8, 6.0)]
    assert matches(found, true) == [(1, 0)]


def test_the_level_of_the_background_does_not_move_the_threshold():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=2000)
    noise[500:560] += 12
    one, other = levelled(noise, SHAPE), levelled(noise + 7.5, SHAPE)
    assert np.allclose(one, other, atol=1e-4)
    # Nor do the edges of a recording, however short it is.
    for length in (200, 3):
        flat = levelled(np.full(length, -5.0), Shape(smooth=7, shortest=2, gap=1))
        assert np.allclose(flat, np.zeros(length), atol=1e-6)


def test_the_shape_follows_the_lengths_of_the_examples():
    short, long = Shape.of([0.1, 0.12]), Shape.of([2.0, 2.4])
    assert (short.shortest, long.shortest) == (2, 40)
    assert short.gap < long.gap <= 15
    assert short.smooth % 2 == long.smooth % 2 == 1


def test_a_faint_example_in_place_lowers_the_threshold():
    loud, faint = np.full(50, 6.0), np.full(50, 2.0)
    assert threshold_in_place([loud, loud, faint]) == (4.5, 6.0)
    assert threshold_in_place([faint, faint, loud]) == (1.5, 2.0)
