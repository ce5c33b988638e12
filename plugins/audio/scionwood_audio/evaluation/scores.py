"""Found events against the true ones, and tables with a score in each row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scionwood import ReadError, RecipeError
from scionwood_audio.data.tables import read_rows
from scionwood_audio.evaluation.trials import rates
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
    over union. Each event is paired at most once.

    Args:
        events: the found events.
        true: the true events.
        hours: length of the recording, for the false alarms an hour.

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
    recall_at_one, alarms = None, int(hours or 0)
    if hours is not None and all(one.score is not None for one in events):
        recall_at_one = _recall_at(events, true, alarms)
    return EventScore(
        len(true),
        len(events),
        right,
        2 * right / total if total else 1.0,
        right / len(events) if events else 1.0,
        right / len(true) if true else 1.0,
        hours,
        recall_at_one,
        alarms,
    )


def _right(events: Sequence[Selection], true: Sequence[Selection]) -> int:
    spans = [(one.start, one.end) for one in events], [(one.start, one.end) for one in true]
    return len(matches(*spans))


def _recall_at(events: Sequence[Selection], true: Sequence[Selection], alarms: int) -> float:
    """Return the largest recall of a least score at which there are at most so many alarms."""
    best = 0.0 if true else 1.0
    for level in sorted({float(one.score or 0) for one in events}, reverse=True):
        above = [one for one in events if float(one.score or 0) >= level]
        right = _right(above, true)
        if len(above) - right > alarms:
            break
        best = max(best, right / len(true) if true else 1.0)
    return best


def score_tables(scored: Path, true: Path) -> tuple[int, float, float]:
    """Return the number of rows, the AUC and the equal error rate of a table with scores."""
    scores, targets = _column(scored, "score"), _column(true, "target")
    if scores.keys() != targets.keys():
        missing = sorted(scores.keys() ^ targets.keys())
        rule = f"the id {missing[0]!r} is in one of the tables only"
        raise ReadError(f"{scored} and {true}", rule, "Score the rows that have a target")
    target = np.array([targets[name] for name in scores])
    if set(target.tolist()) != {0.0, 1.0}:
        rule = "the column target holds 0 and 1, and both of them"
        raise ReadError(str(true), rule, "Add rows of the other kind")
    values = np.array(list(scores.values()))
    found = rates(values[target > 0.5], values[target < 0.5])
    return len(target), found.auc, found.eer


def _column(path: Path, name: str) -> dict[str, float]:
    values: dict[str, float] = {}
    for number, row in enumerate(read_rows(path, ("id", name)), 2):
        try:
            values[row["id"]] = float(row[name])
        except ValueError as error:
            rule = f"{row[name]!r} is no number"
            raise ReadError(f"{path}: line {number}", rule, "Correct it") from error
    return values
