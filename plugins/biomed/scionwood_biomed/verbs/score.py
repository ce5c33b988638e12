"""Score a run on its test split: `scionwood biomed score`."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING

from scionwood.authoring import RunPath, prints
from scionwood_biomed.verbs.options import Place

if TYPE_CHECKING:
    from scionwood_biomed.evaluation.of_run import Score


def _print_scores(scores: list[Score], *, json: bool = False) -> None:
    """Print scores.

    Args:
        scores: the result.
        json: print JSON.
    """
    from scionwood_biomed.evaluation.of_run import print_scores

    if json:
        print(dumps([row._asdict() for row in scores], indent=1))
    else:
        print_scores(scores)


@prints(_print_scores)
def score(run: RunPath, place: Place = Place()) -> list[Score]:
    """Print AUROC and other scores of a run on its test split, with intervals over subjects.

    A row of the data is the unit: an image, or a whole study. Subjects are drawn with replacement
    for the intervals. With two classes, sensitivity and specificity are those at the threshold of
    the validation split.

    Args:
        run: a run of `biomed/blockwise_lda` or `biomed/volumes`.
        place: where to compute.

    Returns:
        The scores, each with its interval.

    Raises:
        TrainingError: the run is not a finished run of such a task.

    Example:
        >>> import scionwood
        >>> change = ("trainer.accelerator=cpu",)
        >>> recipe = scionwood.resolve("biomed/blockwise_lda", change, smoke=True)
        >>> run = scionwood.fit(recipe, run_dir="blocks")
        >>> [row.name for row in score(run)][:2]
        ['balanced accuracy', 'AUROC']
    """
    from scionwood_biomed.evaluation.of_run import score_run

    return score_run(run, device=place.device)
