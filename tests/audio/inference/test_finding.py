"""Scores of positions to selections in seconds of the recording."""

from __future__ import annotations

import numpy as np
import pytest

import scionwood
from scionwood_audio import FindOptions
from scionwood_audio.inference.events import Shape
from scionwood_audio.inference.finding import selected
from scionwood_audio.inference.held_out import Result
from scionwood_audio.readers.selections import Selection

RESULT = Result("layer 1", 1.0, (), threshold=2.0, typical=6.0)
MARKED = [Selection(0, 1, "tit", 2000.0, 5000.0), Selection(2, 3, "tit", 2500.0, 6000.0)]


def calls(**options: float) -> list[Selection]:
    scores = np.zeros(1000)
    scores[100:150], scores[500:550] = 3.0, 8.0
    return selected(scores, RESULT, Shape(1, 5, 2), MARKED, FindOptions(**options))


def test_a_score_says_how_far_an_event_is_above_the_threshold():
    first, second = calls()
    assert (first.start, first.end, second.start, second.end) == (2.0, 3.0, 10.0, 11.0)
    assert (first.label, first.low, first.high) == ("tit", 2000.0, 6000.0)
    assert (first.score, second.score) == (0.6225, 0.9526)


def test_times_are_those_of_the_recording_that_is_heard_slower():
    assert [(call.start, call.end) for call in calls(expand=2.0)] == [(1.0, 1.5), (5.0, 5.5)]


def test_options_that_cannot_be_are_refused():
    for options in ({"confidence": 1.0}, {"overlap": 9}, {"expand": 0}):
        with pytest.raises(scionwood.RecipeError):
            FindOptions(**options)
