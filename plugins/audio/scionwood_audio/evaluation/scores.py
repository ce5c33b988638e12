"""Found events against the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scionwood import RecipeError
from scionwood_audio.inference.events import matches
from scionwood_audio.readers.selections import Selection


class EventScore(NamedTuple):
    """How well events were found.

    Attributes:
        true: the number of true events.
        events: the number of found ones.
        right: those of them that overlap with a true event by 0.3 or more.
        f1: their F1, 0 to 1.
        precision: the share of the found events that are right.
        recall: the share of the true events that are found.
        hours: the length of the recording, or None.
        recall_at_one: the recall at the least score with at most one false alarm an hour; None
            without hours or without scores.
        alarms: the false alarms that this allows: the hours, rounded down.
    """

    true: int
    events: int
    right: int
    f1: float
    precision: float
    recall: float
    hours: float | None
    recall_at_one: float | None
    alarms: int


def score_events(
    events: Sequence[Selection], true: Sequence[Selection], hours: float | None = None
) -> EventScore:
    """Return how well events were found.

    An event counts as found if one found event overlaps with it by at least 0.3, as intersection
    over union. Each event is paired at most once. Hours are needed for the false alarms an hour.

    Raises:
        RecipeError: the hours are not above 0.

    Source: DCASE task 5, few-shot bioacoustic event detection, arXiv:2305.13210.

    Example:
        >>> from scionwood_audio.evaluation.scores import score_events
        >>> from scionwood_audio.readers.selections import Selection
        >>> score_events([Selection(1, 2), Selection(5, 6)], [Selection(1.2, 2.1)]).f1
        0.6666666666666666
    """
    if hours is not None and not hours > 0:
        raise RecipeError(f"hours={hours}", "it must be above 0", "Give the recording's length")
    right, total = _right(events, true), len(events) + len(true)
    best, alarms = None, int(hours or 0)
    if hours is not None and all(one.score is not None for one in events):
        best = 0.0 if true else 1.0
        for level in sorted({float(one.score or 0) for one in events}, reverse=True):
            above = [one for one in events if float(one.score or 0) >= level]
            if len(above) - _right(above, true) > alarms:
                break
            best = max(best, _right(above, true) / len(true) if true else 1.0)
    precision, recall = (right / len(part) if part else 1.0 for part in (events, true))
    f1 = 2 * right / total if total else 1.0
    return EventScore(len(true), len(events), right, f1, precision, recall, hours, best, alarms)


def _right(events: Sequence[Selection], true: Sequence[Selection]) -> int:
    spans = [(one.start, one.end) for one in events], [(one.start, one.end) for one in true]
    return len(matches(*spans))
