"""Score found events, or a table with scores: `scionwood audio score`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, print_table, prints, read_utf8

if TYPE_CHECKING:
    from scionwood_audio.evaluation.scores import EventScore


def _print_score(score: EventScore | tuple[int, float, float]) -> None:
    if len(score) == 3:
        rows, auc, eer = score
        print_table(("rows", "AUC, %", "equal error rate, %"), [(rows, 100 * auc, 100 * eer)])
        return
    shares = [f"{100 * share:.1f}" for share in (score.f1, score.precision, score.recall)]
    heads = ("true", "found", "right", "event F1, %", "precision, %", "recall, %")
    print_table(heads, [(str(score.true), str(score.events), str(score.right), *shares)])
    if score.recall_at_one is not None:
        allowed = f"{score.alarms} false alarms in {score.hours:.3g} h"
        print(f"recall at one false alarm an hour ({allowed}): {100 * score.recall_at_one:.1f} %")
    elif score.hours is None:
        print("Give --hours, the length of the recording, for the recall at one alarm an hour")


@prints(_print_score)
def score(
    events: InputPath, true: InputPath, *, hours: float | None = None
) -> EventScore | tuple[int, float, float]:
    """Score found calls against the true ones, or a table of scores against its targets.

    Args:
        events: selections, as `audio find` writes them; or CSV with the columns id and score.
        true: the true selections; or CSV with the columns id and target, 0 or 1.
        hours: length of the recording, for the recall at one false alarm an hour.

    Returns:
        Counts, F1, precision and recall of events at an overlap of 0.3; or rows, AUC and equal
        error rate of a table.

    Raises:
        ReadError: a file is no such table.
        RecipeError: the hours are not above 0.
    """
    from scionwood_audio.evaluation.scores import score_events, score_tables
    from scionwood_audio.readers.selections import read_selections

    heads = read_utf8(events).partition("\n")[0].strip().lower().split(",")
    if "id" in heads and "start" not in heads:
        return score_tables(events, true)
    return score_events(read_selections(events), read_selections(true), hours)
